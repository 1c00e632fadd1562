package assay.train;

import assay.model.DType;
import assay.model.UserError;

/**
 * What a step stores in which type. Moments, statistics, logits and losses are fp32 always; where
 * the weights are not, the optimiser works on an fp32 master copy of the trained ones (Micikevicius
 * et al. 2018, section 3.1).
 *
 * @param weights working weights and adapters
 * @param gradients of the trained weights
 * @param activations and their gradients
 * @param frozen the blocks' frozen matrices beside adapters; QLoRA quantises them
 */
public record StepTypes(DType weights, DType gradients, DType activations, DType frozen) {
  /** All fp32. */
  public static final StepTypes F32 = new StepTypes(DType.F32, DType.F32, DType.F32, DType.F32);

  /** Refuses types that hold no plain numbers. */
  public StepTypes {
    for (DType t : new DType[] {weights, gradients, activations}) {
      if (t != DType.F32 && t != DType.F16 && t != DType.BF16) {
        throw new UserError("training in %s: expected fp32, fp16 or bf16".formatted(t));
      }
    }
  }

  /** Weights, gradients and activations in one type, fp32 where that is none of 16 bits. */
  public static StepTypes of(DType type) {
    return new StepTypes(type, type, type, type);
  }

  /** The same with gradients of another type. */
  public StepTypes withGradients(DType type) {
    return new StepTypes(weights, type, activations, frozen);
  }

  /** The same with frozen matrices of another type. */
  public StepTypes withFrozen(DType type) {
    return new StepTypes(weights, gradients, activations, type);
  }

  boolean masterCopy() {
    return weights != DType.F32;
  }
}
