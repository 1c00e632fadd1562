package assay.measure;

import assay.checkpoint.RandomWeights;
import assay.model.Activation;
import assay.model.ModelConfig;
import assay.model.NormKind;
import assay.model.PositionKind;
import java.util.List;

/** Shapes small enough for plain loops, each with something of its own. */
final class SmallModels {
  private SmallModels() {}

  static ModelConfig llama() {
    return ModelConfig.builder("small-llama", "llama")
        .size(2, 64, 96)
        .heads(4, 2, 16)
        .tokens(97, 64)
        .build();
  }

  static List<ModelConfig> all() {
    ModelConfig windowed = llama().toBuilder().window(5, 1).biases(true, false, false).build();
    ModelConfig qwen3 = llama().toBuilder().qkNorm(true).tied(true).build();
    ModelConfig gpt =
        ModelConfig.builder("small-gpt", "gpt2")
            .size(2, 32, 64)
            .heads(4, 4, 8)
            .tokens(53, 32)
            .norm(NormKind.LAYER, 1e-5f)
            .mlp(Activation.GELU_TANH, false)
            .positions(PositionKind.LEARNED)
            .biases(true, true, true)
            .tied(true)
            .build();
    ModelConfig alibi =
        llama().toBuilder().positions(PositionKind.ALIBI).mlp(Activation.HARDSWISH, true).build();
    return List.of(llama(), windowed, qwen3, gpt, alibi);
  }

  static RandomWeights weights(ModelConfig c) {
    return new RandomWeights(c, 42);
  }
}
