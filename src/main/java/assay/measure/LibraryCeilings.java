package assay.measure;

import assay.backend.Backend;
import assay.backend.LibraryProbe;
import assay.backend.SessionShape;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.tensor.Arena;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import assay.tensor.TensorPlan;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.OptionalDouble;
import java.util.Random;

/**
 * Ceilings of what a device can do beside the operations of a model; empty where it offers no
 * {@link LibraryProbe}. The operands of one product take 256 MB and more, so that one set of them
 * is enough where {@link CeilingMeter} rotates several: no cache holds them until the next run.
 */
public final class LibraryCeilings {
  private static final long SEED = 7;
  private static final int SIDE = 8192;
  private final Backend backend;
  private final double sampleSeconds;
  private final long copyBytes;

  /**
   * For a device without open sessions.
   *
   * @param effort how long to sample, and how much to copy
   */
  public LibraryCeilings(Backend backend, CeilingMeter.Effort effort) {
    this.backend = backend;
    this.sampleSeconds = effort.sampleSeconds();
    this.copyBytes = effort.sweepBytes();
  }

  /**
   * Products of 8-bit whole numbers into 32 bits: operations per second, a multiply-add being 2.
   */
  public OptionalDouble integerOpsPerSecond() {
    TensorPlan plan = new TensorPlan();
    plan.allocate(DType.I8, SIDE, SIDE);
    plan.allocate(DType.I8, SIDE, SIDE);
    plan.allocate(DType.I32, SIDE, SIDE);
    if (!(backend instanceof LibraryProbe library) || !fits(plan.reservedBytes())) {
      return OptionalDouble.empty();
    }
    SessionShape session = session();
    long scratch = TensorPlan.padded(backend.workspaceBytes(session));
    try (Arena workspace = backend.newArena(MemoryCategory.WORKSPACE, scratch);
        Arena arena = backend.newArena(MemoryCategory.ACTIVATIONS, plan.reservedBytes())) {
      backend.reserveWorkspace(session, workspace);
      Tensor x = arena.allocate(DType.I8, SIDE, SIDE);
      Tensor w = arena.allocate(DType.I8, SIDE, SIDE);
      Tensor y = arena.allocate(DType.I32, SIDE, SIDE);
      randomBytes(x);
      randomBytes(w);
      double seconds =
          FastestRun.seconds(backend, sampleSeconds, () -> library.multiplyIntegers(x, w, y));
      return OptionalDouble.of(2.0 * SIDE * SIDE * SIDE / seconds);
    }
  }

  /** Products of e4m3 matrices: FLOP/s; empty also where the card has none. */
  public OptionalDouble f8FlopsPerSecond() {
    TensorPlan plan = new TensorPlan();
    plan.allocate(DType.F8E4M3, SIDE, SIDE);
    plan.allocate(DType.F8E4M3, SIDE, SIDE);
    plan.allocate(DType.BF16, SIDE, SIDE);
    if (!(backend instanceof LibraryProbe library) || !fits(plan.reservedBytes())) {
      return OptionalDouble.empty();
    }
    SessionShape session = session();
    long scratch = TensorPlan.padded(backend.workspaceBytes(session));
    try (Arena workspace = backend.newArena(MemoryCategory.WORKSPACE, scratch);
        Arena arena = backend.newArena(MemoryCategory.ACTIVATIONS, plan.reservedBytes())) {
      backend.reserveWorkspace(session, workspace);
      Tensor x = arena.allocate(DType.F8E4M3, SIDE, SIDE);
      Tensor w = arena.allocate(DType.F8E4M3, SIDE, SIDE);
      Tensor y = arena.allocate(DType.BF16, SIDE, SIDE);
      randomBytes(x);
      randomBytes(w);
      if (!library.multiplyF8(x, w, y)) {
        return OptionalDouble.empty();
      }
      double seconds =
          FastestRun.seconds(backend, sampleSeconds, () -> library.multiplyF8(x, w, y));
      return OptionalDouble.of(2.0 * SIDE * SIDE * SIDE / seconds);
    }
  }

  private static SessionShape session() {
    ModelConfig config =
        ModelConfig.builder("ceiling", "llama")
            .size(1, SIDE, SIDE)
            .heads(SIDE / 64, SIDE / 64, 64)
            .tokens(SIDE, 1)
            .build();
    return new SessionShape(config, Precision.FP16, 1, 1, 1, 1);
  }

  /** A copy within the device's memory: bytes read and bytes written per second, together. */
  public OptionalDouble copyBytesPerSecond() {
    int rows = Math.toIntExact(Math.max(1, copyBytes / SIDE));
    TensorPlan plan = new TensorPlan();
    plan.allocate(DType.I8, rows, SIDE);
    plan.allocate(DType.I8, rows, SIDE);
    if (!(backend instanceof LibraryProbe library) || !fits(plan.reservedBytes())) {
      return OptionalDouble.empty();
    }
    try (Arena arena = backend.newArena(MemoryCategory.WORKSPACE, plan.reservedBytes())) {
      Tensor from = arena.allocate(DType.I8, rows, SIDE);
      Tensor to = arena.allocate(DType.I8, rows, SIDE);
      randomBytes(from);
      double seconds = FastestRun.seconds(backend, sampleSeconds, () -> library.copy(from, to));
      return OptionalDouble.of(2.0 * from.bytes() / seconds);
    }
  }

  private boolean fits(long bytes) {
    return bytes < backend.memory().freeBytes() / 2;
  }

  /** Not zeros: with those some devices draw less power and run faster. */
  private void randomBytes(Tensor t) {
    byte[] row = new byte[t.columns()];
    Random random = new Random(SEED);
    int rows = Math.min(t.rows(), 256);
    try (var scratch = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment staging = scratch.allocate((long) rows * t.columns(), 64);
      for (int r = 0; r < rows; r++) {
        random.nextBytes(row);
        // Without the highest bits: neither NaN nor very large as e4m3.
        for (int i = 0; i < row.length; i++) {
          row[i] &= (byte) 0xbf;
        }
        MemorySegment.copy(
            row, 0, staging, ValueLayout.JAVA_BYTE, (long) r * row.length, row.length);
      }
      for (int first = 0; first < t.rows(); first += rows) {
        backend.write(t.rows(first, Math.min(rows, t.rows() - first)), staging);
      }
    }
  }
}
