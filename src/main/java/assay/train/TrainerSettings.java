package assay.train;

import assay.backend.AdamW;
import assay.backend.Sgd;
import assay.backend.UpdateRule;
import assay.model.UserError;

/**
 * How a model is trained.
 *
 * @param steps updates in all
 * @param learningRate the highest, reached after the warm-up
 * @param warmupSteps in which it rises linearly from 0
 * @param finalFraction of it that is left at the end of the cosine
 * @param weightDecay of matrices
 * @param maxNorm gradients are scaled down to this norm
 * @param seed of the first weights and of the order of examples
 */
public record TrainerSettings(
    int steps,
    double learningRate,
    int warmupSteps,
    double finalFraction,
    double weightDecay,
    double maxNorm,
    long seed) {
  private static final float BETA1 = 0.9f;
  private static final float BETA2 = 0.95f;
  private static final float EPSILON = 1e-8f;
  private static final float MOMENTUM = 0.9f;

  /** Checks the counts. */
  public TrainerSettings {
    if (steps < 1 || warmupSteps < 0 || !(learningRate > 0) || !(maxNorm > 0)) {
      throw new UserError(
          "%d steps, %d of warm-up, learning rate %s: expected positive numbers"
              .formatted(steps, warmupSteps, learningRate));
    }
  }

  /** Usual values: 5 % warm-up, cosine down to a twentieth, weight decay 0.1, norm 1. */
  public static TrainerSettings of(int steps, double learningRate, long seed) {
    return new TrainerSettings(steps, learningRate, Math.max(1, steps / 20), 0.05, 0.1, 1, seed);
  }

  /** The rate of step {@code step}, counted from 1: linear warm-up, then half a cosine. */
  public double learningRate(int step) {
    if (step <= warmupSteps) {
      return learningRate * step / warmupSteps;
    }
    double done = (double) (step - warmupSteps) / Math.max(1, steps - warmupSteps);
    double fraction = finalFraction + (1 - finalFraction) * (1 + Math.cos(Math.PI * done)) / 2;
    return learningRate * fraction;
  }

  /**
   * What step {@code step}, counted from 1, updates with. Adam has no decay, SGD a momentum of 0.9.
   */
  UpdateRule rule(Optimizer optimizer, int step) {
    float rate = (float) learningRate(step);
    float decay = (float) weightDecay;
    return switch (optimizer) {
      case ADAM -> new AdamW(rate, BETA1, BETA2, EPSILON, 0, step);
      case ADAMW -> new AdamW(rate, BETA1, BETA2, EPSILON, decay, step);
      case SGD -> new Sgd(rate, 0, decay);
      case SGD_MOMENTUM -> new Sgd(rate, MOMENTUM, decay);
    };
  }
}
