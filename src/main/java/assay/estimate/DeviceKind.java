package assay.estimate;

import assay.model.DType;
import assay.model.Precision;
import java.util.Locale;

/**
 * What arithmetic and storage a kind of back end uses for a precision, as far as it matters here.
 */
public enum DeviceKind {
  /** Plain loops: the judge; its speed is not predicted. */
  REFERENCE,
  CPU,
  CUDA;

  /** The name in results: {@code cuda}. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Type of activations: 32 bits on the CPU; on a GPU 16 bits but for the 32-bit precisions. */
  public DType activationType(Precision p) {
    if (this != CUDA) {
      return DType.F32;
    }
    return switch (p) {
      case FP32, TF32 -> DType.F32;
      case BF16, FP8 -> DType.BF16;
      case FP16, INT8, INT4 -> DType.F16;
    };
  }

  /**
   * Whose peak bounds matrix products of many rows. On a GPU the block formats are expanded to fp16
   * first; on the CPU the peak of each precision is measured as the back end computes it.
   */
  public Precision matmulArithmetic(Precision p) {
    if (this == CUDA && (p == Precision.INT8 || p == Precision.INT4)) {
      return Precision.FP16;
    }
    return p;
  }

  /** Whose peak bounds attention: that of the activations. */
  public Precision attentionArithmetic(Precision p) {
    return switch (activationType(p)) {
      case F16 -> Precision.FP16;
      case BF16 -> Precision.BF16;
      default -> Precision.FP32;
    };
  }

  /**
   * Rows of a product up to which its weights are streamed by a kernel of its own: a GPU's
   * libraries have them for small batches, the CPU back end has one for a single row.
   */
  public int fewRows() {
    return this == CUDA ? 16 : 1;
  }
}
