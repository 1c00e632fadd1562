package assay.backend.cuda;

import assay.backend.SessionShape;
import assay.backend.StepState;
import assay.model.DType;
import assay.model.Precision;
import assay.tensor.Arena;
import assay.tensor.Tensor;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Which scratch memory an operation uses. Each session hands over its own ({@link Workspace}); an
 * operation that knows its session by the step's state selects that one, so that a recording only
 * ever holds addresses of its own session. Outside of sessions (single operations, ceilings) pieces
 * of the back end's own serve, which stay until it closes.
 */
final class CudaScratch {
  /** The parts of {@link WorkspaceLayout}. */
  enum Part {
    CUBLAS,
    ATTENTION,
    GREEDY,
    PANEL
  }

  private record Piece(long address, long bytes) {}

  private static final class Workspace {
    final CudaBuffer buffer;
    final Map<Part, Piece> pieces = new EnumMap<>(Part.class);
    final Blas.Fp32 fp32;
    final boolean f8;

    Workspace(CudaBuffer buffer, long address, WorkspaceLayout layout, Blas.Fp32 fp32, boolean f8) {
      this.buffer = buffer;
      this.fp32 = fp32;
      this.f8 = f8;
      long at = address;
      for (Part p : Part.values()) {
        pieces.put(p, new Piece(at, bytes(layout, p)));
        at += bytes(layout, p);
      }
    }

    private static long bytes(WorkspaceLayout layout, Part p) {
      return switch (p) {
        case CUBLAS -> layout.cublasBytes();
        case ATTENTION -> layout.attentionBytes();
        case GREEDY -> layout.greedyBytes();
        case PANEL -> layout.panelBytes();
      };
    }
  }

  private final CudaMemory memory;
  private final List<Workspace> workspaces = new ArrayList<>();
  private final Map<Part, Piece> own = new EnumMap<>(Part.class);
  private @Nullable Workspace current;

  CudaScratch(CudaMemory memory) {
    this.memory = memory;
  }

  /**
   * Takes a session's workspace from its arena, and uses it from now on.
   *
   * @param f8 whether its products of many rows with e4m3 weights are {@link F8Products}
   */
  void reserve(SessionShape shape, WorkspaceLayout layout, Arena arena, boolean f8) {
    int rows = Math.toIntExact(layout.totalBytes() / 256);
    Tensor all = arena.allocate(DType.U8, rows, 256);
    if (!(all.buffer() instanceof CudaBuffer buffer)) {
      throw new IllegalArgumentException("the workspace is not on this device: " + all);
    }
    Blas.Fp32 fp32 = shape.precision() == Precision.TF32 ? Blas.Fp32.TF32 : Blas.Fp32.TRUE;
    dropClosed();
    current = new Workspace(buffer, buffer.address() + all.offsetBytes(), layout, fp32, f8);
    workspaces.add(current);
  }

  /** Uses the workspace of the session that this state belongs to, if it has one. */
  void select(StepState state) {
    Workspace w = current;
    if (w != null && w.buffer == state.counters().buffer()) {
      return;
    }
    for (int i = 0; i < workspaces.size(); i++) {
      if (workspaces.get(i).buffer == state.counters().buffer()) {
        current = workspaces.get(i);
        return;
      }
    }
  }

  /** The latest whose session is still open. */
  private @Nullable Workspace current() {
    Workspace w = current;
    if (w != null && !w.buffer.isAlive()) {
      dropClosed();
      w = workspaces.isEmpty() ? null : workspaces.getLast();
      current = w;
    }
    return w;
  }

  private void dropClosed() {
    workspaces.removeIf(w -> !w.buffer.isAlive());
  }

  private @Nullable Piece ofSession(Part part) {
    Workspace w = current();
    return w == null ? null : w.pieces.get(part);
  }

  /** Address of at least so many bytes for a purpose. */
  long address(Part part, long bytes) {
    Piece session = ofSession(part);
    if (session != null && session.bytes >= bytes) {
      return session.address;
    }
    Piece mine = own.get(part);
    if (mine == null || mine.bytes < bytes) {
      // An older piece stays allocated: what is enqueued or recorded may use it.
      mine = new Piece(memory.newScratch(bytes), bytes);
      own.put(part, mine);
    }
    return mine.address;
  }

  /** The same as memory that tensors can be cut from. */
  CudaBuffer buffer(Part part, long bytes) {
    return memory.window(address(part, bytes), bytes);
  }

  /** Bytes that {@link #address} gives without a new piece, or {@code wanted} where it has none. */
  long available(Part part, long wanted) {
    Piece session = ofSession(part);
    Piece mine = own.get(part);
    long there = Math.max(session == null ? 0 : session.bytes, mine == null ? 0 : mine.bytes);
    return there > 0 ? there : wanted;
  }

  /** Whether the present session multiplies activations in e4m3; not so outside of sessions. */
  boolean f8() {
    Workspace w = current();
    return w != null && w.f8;
  }

  /** How products of fp32 matrices are made in the present session. */
  Blas.Fp32 fp32() {
    Workspace w = current();
    return w == null ? Blas.Fp32.TRUE : w.fp32;
  }
}
