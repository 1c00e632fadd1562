package assay.train;

import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.model.WeightRole;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * First weights: normal with deviation 0.02, matrices that write to the residual stream divided by
 * √(2 · layers) (Radford et al. 2019, section 2.3), gains 1. Adapters begin as nothing: A uniform
 * within ±1/√in, B zero (Hu et al. 2021, section 4.1; the bounds are those of peft).
 */
final class Initializer {
  private static final double DEVIATION = 0.02;

  private Initializer() {}

  static void initialize(TrainingStep<?> step, long seed) {
    RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
    for (TensorSpec s : step.specs()) {
      float[] values = new float[Math.toIntExact(s.elements())];
      double deviation = deviation(step.config(), s.role());
      for (int i = 0; i < values.length; i++) {
        values[i] = s.role().isMatrix() ? (float) (deviation * random.nextGaussian()) : 1f;
      }
      step.write(s, TrainingStep.Part.WEIGHT, values);
    }
    adapters(step, random);
  }

  private static void adapters(TrainingStep<?> step, RandomGenerator random) {
    boolean isA = true;
    for (TensorSpec s : step.adapterSpecs()) {
      float[] values = new float[Math.toIntExact(s.elements())];
      double bound = 1 / Math.sqrt((double) s.columns());
      for (int i = 0; isA && i < values.length; i++) {
        values[i] = (float) (bound * (2 * random.nextDouble() - 1));
      }
      step.write(s, TrainingStep.Part.WEIGHT, values);
      isA = !isA;
    }
  }

  private static double deviation(ModelConfig c, WeightRole role) {
    boolean writesToResidual = role == WeightRole.O || role == WeightRole.DOWN;
    return writesToResidual ? DEVIATION / Math.sqrt(2.0 * c.nLayers()) : DEVIATION;
  }
}
