package assay.backend;

/**
 * One step's constants of stochastic gradient descent, with or without momentum (Polyak 1964;
 * Sutskever et al. 2013 without Nesterov): g += λ·w, v = μ·v + g, w −= α·v.
 *
 * @param learningRate α of this step
 * @param momentum μ; 0 for none, and then no velocity is kept
 * @param weightDecay λ; 0 for vectors
 */
public record Sgd(float learningRate, float momentum, float weightDecay) implements UpdateRule {
  @Override
  public Sgd withoutDecay() {
    return new Sgd(learningRate, momentum, 0);
  }
}
