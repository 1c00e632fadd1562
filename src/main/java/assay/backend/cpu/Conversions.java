package assay.backend.cpu;

import static assay.backend.cpu.kernel.RawMemory.getFloat;
import static assay.backend.cpu.kernel.RawMemory.getShort;
import static assay.backend.cpu.kernel.RawMemory.setFloat;
import static assay.backend.cpu.kernel.RawMemory.setShort;

import assay.backend.cpu.kernel.Kernels;
import assay.backend.cpu.kernel.RawMemory;
import assay.model.DType;
import assay.model.NumberFormat;

/** Rows of fp32 to the types of a KV cache and back. */
final class Conversions {
  private Conversions() {}

  /** Stores {@code count} fp32 as {@code type}, rounding to nearest. */
  static void store(Kernels kernels, DType type, long from, long to, int count) {
    switch (type) {
      case F32 -> RawMemory.copy(from, to, 4L * count);
      case F16 -> kernels.floatToHalf(from, to, count);
      case BF16 -> {
        for (int i = 0; i < count; i++) {
          setShort(to + 2L * i, NumberFormat.toBf16(getFloat(from + 4L * i)));
        }
      }
      default -> throw new IllegalArgumentException("KV cache of " + type);
    }
  }

  static void bf16ToFloat(long from, long to, int count) {
    for (int i = 0; i < count; i++) {
      setFloat(to + 4L * i, NumberFormat.fromBf16(getShort(from + 2L * i)));
    }
  }
}
