package assay.measure;

import assay.backend.Backend;
import assay.model.BlockFormat;
import assay.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A device's tensor as fp32 numbers on the host, row after row, and back. For checks, not for
 * speed.
 */
final class TensorValues {
  private TensorValues() {}

  /** Waits and reads. */
  static float[] read(Backend backend, Tensor t) {
    try (Arena scratch = Arena.ofConfined()) {
      MemorySegment bytes = scratch.allocate(Math.max(1, t.bytes()), 64);
      backend.read(t, bytes);
      float[] out = new float[Math.multiplyExact(t.rows(), t.columns())];
      long rowBytes = t.type().rowBytes(t.columns());
      for (int r = 0; r < t.rows(); r++) {
        BlockFormat.decodeRow(t.type(), bytes, r * rowBytes, t.columns(), out, r * t.columns());
      }
      return out;
    }
  }

  /** Writes, rounding to the tensor's type. */
  static void write(Backend backend, Tensor t, float[] values) {
    try (Arena scratch = Arena.ofConfined()) {
      MemorySegment bytes = scratch.allocate(Math.max(1, t.bytes()), 64);
      long rowBytes = t.type().rowBytes(t.columns());
      for (int r = 0; r < t.rows(); r++) {
        BlockFormat.encodeRow(t.type(), values, r * t.columns(), t.columns(), bytes, r * rowBytes);
      }
      backend.write(t, bytes);
    }
  }
}
