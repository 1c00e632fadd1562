package assay.train;

import assay.model.ModelConfig;
import assay.model.RopeScaling;
import assay.model.TensorSpec;
import java.util.Random;
import java.util.stream.Stream;

/** Small models with awkward sizes, and their weights from a seed. */
final class Models {
  private Models() {}

  static ModelConfig config(int layers, int vocabulary, boolean tied) {
    return ModelConfig.builder("small", "llama")
        .size(layers, 20, 27)
        .heads(6, 2, 6)
        .tokens(vocabulary, 64)
        .rope(10_000, new RopeScaling.None())
        .tied(tied)
        .build();
  }

  /** Weights of a size at which every part of the model matters; gains around 1. */
  static void initialize(TrainingStep<?> step, long seed) {
    Random random = new Random(seed);
    for (TensorSpec s :
        Stream.concat(step.specs().stream(), step.adapterSpecs().stream()).toList()) {
      float[] values = new float[Math.toIntExact(s.elements())];
      for (int i = 0; i < values.length; i++) {
        values[i] =
            (float)
                (s.role().isMatrix()
                    ? 0.3 * random.nextGaussian()
                    : 1 + 0.2 * random.nextGaussian());
      }
      step.write(s, TrainingStep.Part.WEIGHT, values);
    }
  }

  static int[] ids(int n, int vocabulary, long seed) {
    Random random = new Random(seed);
    int[] out = new int[n];
    for (int i = 0; i < n; i++) {
      out[i] = random.nextInt(vocabulary);
    }
    return out;
  }
}
