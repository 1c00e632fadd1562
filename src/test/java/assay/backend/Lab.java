package assay.backend;

import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.Presets;
import assay.tensor.Arena;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import assay.tensor.TensorAllocator;
import assay.tensor.TensorPlan;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Function;

/**
 * A bench for single operations: tensors from host arrays on one back end, every one followed by a
 * guard area whose bytes must not change, outputs poisoned with NaN before use.
 */
public final class Lab implements AutoCloseable {
  private static final int GUARD_COLUMNS = 16;
  private static final float GUARD = -12345.678f;

  /** Usually enough for a test: all of it is cleared when it is taken. */
  private static final long ARENA_BYTES = 2L << 20;

  private final Backend backend;
  private final List<Arena> arenas = new ArrayList<>();
  private long left;
  private final List<Tensor> guards = new ArrayList<>();

  public Lab(Backend backend) {
    this.backend = backend;
    // Scratch for anything up to this model's widths; operations may ask for it.
    ModelConfig widest = Presets.byName().get("tinyllama-1.1b");
    SessionShape shape = new SessionShape(widest, Precision.FP32, 4, 256, 64, 8);
    backend.reserveWorkspace(
        shape, arena(MemoryCategory.WORKSPACE, TensorPlan.padded(backend.workspaceBytes(shape))));
  }

  private Arena arena(MemoryCategory category, long bytes) {
    Arena arena = backend.newArena(category, bytes);
    arenas.add(arena);
    return arena;
  }

  public Backend backend() {
    return backend;
  }

  /** Zero-mean values; the seed is part of every failure message through the test's name. */
  public static float[] random(long seed, int n) {
    Random r = new Random(seed);
    float[] out = new float[n];
    for (int i = 0; i < n; i++) {
      out[i] = (float) r.nextGaussian();
    }
    return out;
  }

  /** A tensor, and its guard right behind it. */
  private Tensor guarded(Function<TensorAllocator, Tensor> allocation) {
    TensorPlan plan = new TensorPlan();
    Tensor _ = allocation.apply(plan);
    plan.allocate(DType.F32, 1, GUARD_COLUMNS);
    if (plan.reservedBytes() > left) {
      left = Math.max(ARENA_BYTES, plan.reservedBytes());
      arena(MemoryCategory.ACTIVATIONS, left);
    }
    left -= plan.reservedBytes();
    Arena arena = arenas.getLast();
    Tensor t = allocation.apply(arena);
    Tensor guard = arena.allocate(DType.F32, 1, GUARD_COLUMNS);
    float[] g = new float[GUARD_COLUMNS];
    java.util.Arrays.fill(g, GUARD);
    writeFloats(guard, g);
    guards.add(guard);
    return t;
  }

  public void writeFloats(Tensor t, float[] values) {
    try (var scratch = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment bytes = scratch.allocate(Math.max(1, t.bytes()), 64);
      for (int r = 0; r < t.rows(); r++) {
        BlockFormat.encodeRow(
            t.type(),
            values,
            r * t.columns(),
            t.columns(),
            bytes,
            r * t.type().rowBytes(t.columns()));
      }
      backend.write(t, bytes.asSlice(0, t.bytes()));
    }
  }

  /** A tensor [rows, columns] holding the values, rounded to its type. */
  public Tensor floats(DType type, int rows, int columns, float[] values) {
    Tensor t = guarded(a -> a.allocate(type, rows, columns));
    writeFloats(t, values);
    return t;
  }

  /** A tensor full of NaN, to be written by an operation. */
  public Tensor poisoned(DType type, int rows, int columns) {
    float[] nan = new float[rows * columns];
    java.util.Arrays.fill(nan, Float.NaN);
    return floats(type, rows, columns, nan);
  }

  /** A weight matrix in the back end's own layout. */
  public Tensor weight(DType type, int rows, int columns, float[] values) {
    Tensor t = guarded(a -> backend.weight(a, type, rows, columns));
    long rowBytes = type.rowBytes(columns);
    try (var scratch = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment bytes = scratch.allocate(Math.max(1, rowBytes * rows), 64);
      for (int r = 0; r < rows; r++) {
        BlockFormat.encodeRow(type, values, r * columns, columns, bytes, r * rowBytes);
      }
      // In uneven pieces, as loaders do.
      int first = 0;
      for (int count : new int[] {rows / 3, 1, rows}) {
        int n = Math.min(count, rows - first);
        if (n > 0) {
          backend.writeWeight(t, first, n, bytes.asSlice(first * rowBytes, n * rowBytes));
          first += n;
        }
      }
    }
    return t;
  }

  /** The stored bytes of a weight, read back row-major. */
  public byte[] weightBytes(Tensor t) {
    try (var scratch = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment bytes = scratch.allocate(Math.max(1, t.bytes()), 64);
      backend.readWeight(t, 0, t.rows(), bytes);
      return bytes.asSlice(0, t.bytes()).toArray(ValueLayout.JAVA_BYTE);
    }
  }

  public Tensor ints(int... values) {
    Tensor t = guarded(a -> a.allocate(DType.I32, 1, values.length));
    try (var scratch = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment bytes = scratch.allocate(4L * values.length, 64);
      bytes.copyFrom(MemorySegment.ofArray(values));
      backend.write(t, bytes);
    }
    return t;
  }

  public Tensor bytes(int rows, int columns, byte[] values) {
    Tensor t = guarded(a -> a.allocate(DType.U8, rows, columns));
    try (var scratch = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment bytes = scratch.allocate(values.length, 64);
      bytes.copyFrom(MemorySegment.ofArray(values));
      backend.write(t, bytes);
    }
    return t;
  }

  public StepState state(int slot, int draw, int... keyStart) {
    return new StepState(ints(slot, draw), ints(keyStart));
  }

  public float[] read(Tensor t) {
    try (var scratch = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment bytes = scratch.allocate(Math.max(1, t.bytes()), 64);
      backend.read(t, bytes);
      float[] out = new float[t.rows() * t.columns()];
      for (int r = 0; r < t.rows(); r++) {
        BlockFormat.decodeRow(
            t.type(), bytes, r * t.type().rowBytes(t.columns()), t.columns(), out, r * t.columns());
      }
      return out;
    }
  }

  public int[] readInts(Tensor t) {
    try (var scratch = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment bytes = scratch.allocate(Math.max(1, t.bytes()), 64);
      backend.read(t, bytes);
      return bytes.asSlice(0, t.bytes()).toArray(ValueLayout.JAVA_INT);
    }
  }

  /** Fails if an operation wrote behind a tensor; frees everything. */
  @Override
  public void close() {
    try {
      for (Tensor guard : guards) {
        for (float g : read(guard)) {
          if (g != GUARD) {
            throw new AssertionError("a guard area was overwritten: " + g);
          }
        }
      }
    } finally {
      arenas.forEach(Arena::close);
    }
  }
}
