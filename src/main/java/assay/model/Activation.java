package assay.model;

import java.util.Locale;

/** The MLP's activation function (claim I8). {@code x} is one pre-activation. */
public enum Activation {
  /** x · σ(x). */
  SILU,
  /** 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))): GPT-2's {@code gelu_new}. */
  GELU_TANH,
  /** 0.5·x·(1 + erf(x/√2)). */
  GELU_ERF,
  /** max(0, x). */
  RELU,
  /** σ(x) = 1/(1 + e^−x). */
  SIGMOID,
  /** tanh(x). */
  TANH,
  /** x · min(max(x + 3, 0), 6)/6. */
  HARDSWISH;

  /**
   * The function that {@code hidden_act} of a config.json names.
   *
   * @throws UserError for a name that is not known
   */
  public static Activation ofHuggingFace(String name) {
    return switch (name.toLowerCase(Locale.ROOT)) {
      case "silu", "swish" -> SILU;
      case "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_tanh" -> GELU_TANH;
      case "gelu", "gelu_python" -> GELU_ERF;
      case "relu" -> RELU;
      case "sigmoid" -> SIGMOID;
      case "tanh" -> TANH;
      case "hardswish", "hard_swish" -> HARDSWISH;
      default ->
          throw new UserError(
              "unknown activation '"
                  + name
                  + "': expected silu, gelu, gelu_new, gelu_pytorch_tanh, relu, sigmoid, tanh or"
                  + " hardswish");
    };
  }

  /** The name that {@link #ofHuggingFace} reads back. */
  public String huggingFaceName() {
    return switch (this) {
      case GELU_TANH -> "gelu_new";
      case GELU_ERF -> "gelu";
      default -> name().toLowerCase(Locale.ROOT);
    };
  }
}
