package assay.backend.cuda;

import assay.model.DType;
import assay.model.Precision;
import java.util.Locale;

/** What matrix products really compute, in words and as the precision whose peak bounds them. */
final class Arithmetic {
  private Arithmetic() {}

  /**
   * In words.
   *
   * @param activations their type in memory
   * @param many more rows than the kernels for few rows take
   * @param f8 activations are rounded to e4m3 where there are many rows
   */
  static String words(Precision precision, DType activations, boolean many, boolean f8) {
    String sums = ", sums in fp32";
    String x = activations.name().toLowerCase(Locale.ROOT);
    if (!many) {
      return switch (precision) {
        case FP32, TF32 -> "fp32";
        default -> precision.label() + " weights × " + x + sums;
      };
    }
    if (f8) {
      return "e4m3 × e4m3 tensor cores (cuBLASLt), activations rounded with a power of two for each"
          + " row"
          + sums;
    }
    return switch (precision) {
      case FP32 -> "fp32 (cuBLAS, no tensor cores)";
      case TF32 -> "tf32 tensor cores" + sums;
      case FP16, BF16 -> precision.label() + " tensor cores" + sums;
      case FP8, INT8, INT4 ->
          x + " tensor cores over converted " + precision.label() + " weights" + sums;
    };
  }

  /** Whose peak bounds them; few rows never use tf32, and 8- and 4-bit weights become 16 bits. */
  static Precision multipliesIn(Precision precision, boolean many, boolean f8) {
    return switch (precision) {
      case FP32 -> Precision.FP32;
      case TF32 -> many ? Precision.TF32 : Precision.FP32;
      case FP16, INT8, INT4 -> Precision.FP16;
      case BF16 -> Precision.BF16;
      case FP8 -> many && f8 ? Precision.FP8 : Precision.BF16;
    };
  }
}
