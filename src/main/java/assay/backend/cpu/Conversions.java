package assay.backend.cpu;

import assay.backend.cpu.kernel.Kernels;
import assay.backend.cpu.kernel.RawMemory;
import assay.model.DType;

/** Rows of fp32 to the types of a KV cache. */
final class Conversions {
  private Conversions() {}

  /** Stores {@code count} fp32 as {@code type}, rounding to nearest. */
  static void store(Kernels kernels, DType type, long from, long to, int count) {
    switch (type) {
      case F32 -> RawMemory.copy(from, to, 4L * count);
      case F16 -> kernels.floatToHalf(from, to, count);
      case BF16 -> kernels.floatToBf16(from, to, count);
      default -> throw new IllegalArgumentException("KV cache of " + type);
    }
  }
}
