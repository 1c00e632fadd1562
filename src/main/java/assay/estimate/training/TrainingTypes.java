package assay.estimate.training;

import assay.model.DType;
import assay.model.Precision;
import assay.model.UserError;

/**
 * What training stores in which type.
 *
 * @param arithmetic whose peak bounds the matrix products
 * @param weights working weights
 * @param gradients gradients
 * @param optimizer moments, and the master copy where there is one
 * @param masterCopy a copy of the weights in the optimiser's type is kept
 * @param activations activations
 */
public record TrainingTypes(
    Precision arithmetic,
    DType weights,
    DType gradients,
    DType optimizer,
    boolean masterCopy,
    DType activations) {
  /** Refuses storage that holds no plain numbers. */
  public TrainingTypes {
    for (DType t : new DType[] {weights, gradients, optimizer, activations}) {
      if (t != DType.F32 && t != DType.F16 && t != DType.BF16) {
        throw new UserError("training in %s: expected fp32, fp16 or bf16".formatted(t));
      }
    }
  }

  /**
   * All fp32; or mixed: 16-bit weights, gradients and activations, fp32 moments and master copy
   * (Micikevicius et al. 2018; 16 bytes a parameter with Adam, Rajbhandari et al. 2020).
   *
   * @throws UserError for a precision that nobody trains in
   */
  public static TrainingTypes of(Precision p) {
    return switch (p) {
      case FP32, TF32 -> new TrainingTypes(p, DType.F32, DType.F32, DType.F32, false, DType.F32);
      case FP16, BF16 -> {
        DType t = p.weightType();
        yield new TrainingTypes(p, t, t, DType.F32, true, t);
      }
      case FP8, INT8, INT4 ->
          throw new UserError(
              "training in %s: expected fp32, tf32, fp16 or bf16 (QLoRA: --qlora %s)"
                  .formatted(p.label(), p.label()));
    };
  }

  /** The same with gradients of another type (fp32 where they are accumulated). */
  public TrainingTypes withGradients(DType type) {
    return new TrainingTypes(arithmetic, weights, type, optimizer, masterCopy, activations);
  }

  /** The same with moments of another type. */
  public TrainingTypes withOptimizer(DType type) {
    return new TrainingTypes(
        arithmetic, weights, gradients, type, masterCopy && type != weights, activations);
  }
}
