package assay.backend;

/**
 * One step's constants of AdamW (Loshchilov and Hutter 2019, algorithm 2).
 *
 * @param learningRate α of this step, the schedule included
 * @param beta1 decay of the first moment
 * @param beta2 decay of the second moment
 * @param epsilon added to the root of the second moment
 * @param weightDecay λ: the weight loses learningRate · λ of itself; 0 for vectors
 * @param step counted from 1, for the bias corrections
 */
public record AdamW(
    float learningRate, float beta1, float beta2, float epsilon, float weightDecay, int step)
    implements UpdateRule {
  @Override
  public AdamW withoutDecay() {
    return new AdamW(learningRate, beta1, beta2, epsilon, 0, step);
  }

  /** 1 − β₁ᵗ. */
  public float correction1() {
    return (float) (1 - Math.pow(beta1, step));
  }

  /** 1 − β₂ᵗ. */
  public float correction2() {
    return (float) (1 - Math.pow(beta2, step));
  }
}
