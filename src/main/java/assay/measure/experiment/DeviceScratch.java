package assay.measure.experiment;

import static assay.tensor.TensorAllocator.ALIGNMENT_BYTES;

import assay.backend.Backend;
import assay.backend.SessionShape;
import assay.backend.StepState;
import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.tensor.Arena;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;

/** Tensors of an experiment, from host arrays and back; freed together. */
final class DeviceScratch implements AutoCloseable {
  /** Longest sequence of an experiment. */
  private static final int MAX_TOKENS = 2048;

  /** Widths up to which back ends are asked for scratch memory. */
  private static final ModelConfig WIDEST =
      ModelConfig.builder("experiment", "llama")
          .size(1, 1024, 2048)
          .heads(4, 4, 64)
          .tokens(1024, MAX_TOKENS)
          .build();

  private final Backend backend;
  private final Arena arena;

  DeviceScratch(Backend backend, long capacityBytes) {
    this.backend = backend;
    SessionShape widest = new SessionShape(WIDEST, Precision.FP32, 1, MAX_TOKENS, MAX_TOKENS, 1);
    this.arena =
        backend.newArena(
            MemoryCategory.ACTIVATIONS,
            capacityBytes + backend.workspaceBytes(widest) + 2L * ALIGNMENT_BYTES);
    backend.reserveWorkspace(widest, arena);
  }

  /** Normal values from a seed. */
  static float[] normal(long seed, int n) {
    Random random = new Random(seed);
    float[] out = new float[n];
    for (int i = 0; i < n; i++) {
      out[i] = (float) random.nextGaussian();
    }
    return out;
  }

  Tensor floats(DType type, int rows, int columns, float[] values) {
    Tensor t = arena.allocate(type, rows, columns);
    write(t, values);
    return t;
  }

  void write(Tensor t, float[] values) {
    try (var host = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment bytes = host.allocate(Math.max(1, t.bytes()), 64);
      encode(t.type(), t.rows(), t.columns(), values, bytes);
      backend.write(t, bytes.asSlice(0, t.bytes()));
    }
  }

  private static void encode(DType type, int rows, int columns, float[] values, MemorySegment out) {
    long rowBytes = type.rowBytes(columns);
    for (int r = 0; r < rows; r++) {
      BlockFormat.encodeRow(type, values, r * columns, columns, out, r * rowBytes);
    }
  }

  /** A matrix in the layout that the back end multiplies. */
  Tensor weight(DType type, int rows, int columns, float[] values) {
    Tensor t = backend.weight(arena, type, rows, columns);
    try (var host = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment bytes = host.allocate(Math.max(1, t.bytes()), 64);
      encode(type, rows, columns, values, bytes);
      backend.writeWeight(t, 0, rows, bytes);
    }
    return t;
  }

  Tensor ints(int... values) {
    Tensor t = arena.allocate(DType.I32, 1, values.length);
    try (var host = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment bytes = host.allocate(4L * values.length, 64);
      bytes.copyFrom(MemorySegment.ofArray(values));
      backend.write(t, bytes);
    }
    return t;
  }

  Tensor bytes(int rows, int columns, byte[] values) {
    Tensor t = arena.allocate(DType.U8, rows, columns);
    try (var host = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment bytes = host.allocate(values.length, 64);
      bytes.copyFrom(MemorySegment.ofArray(values));
      backend.write(t, bytes);
    }
    return t;
  }

  StepState state(int slot, int... keyStart) {
    return new StepState(ints(slot, 0), ints(keyStart));
  }

  float[] read(Tensor t) {
    try (var host = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment bytes = host.allocate(Math.max(1, t.bytes()), 64);
      backend.read(t, bytes);
      float[] out = new float[t.rows() * t.columns()];
      long rowBytes = t.type().rowBytes(t.columns());
      for (int r = 0; r < t.rows(); r++) {
        BlockFormat.decodeRow(t.type(), bytes, r * rowBytes, t.columns(), out, r * t.columns());
      }
      return out;
    }
  }

  byte[] readBytes(Tensor t) {
    try (var host = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment bytes = host.allocate(Math.max(1, t.bytes()), 64);
      backend.read(t, bytes);
      return bytes.asSlice(0, t.bytes()).toArray(ValueLayout.JAVA_BYTE);
    }
  }

  int[] readInts(Tensor t) {
    try (var host = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment bytes = host.allocate(Math.max(1, t.bytes()), 64);
      backend.read(t, bytes);
      return bytes.asSlice(0, t.bytes()).toArray(ValueLayout.JAVA_INT);
    }
  }

  @Override
  public void close() {
    arena.close();
  }
}
