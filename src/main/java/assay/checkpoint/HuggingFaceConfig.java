package assay.checkpoint;

import assay.model.Activation;
import assay.model.ModelConfig;
import assay.model.NormKind;
import assay.model.PositionKind;
import assay.model.RopeScaling;
import assay.model.UserError;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/**
 * Reads the {@code config.json} of a Hugging Face checkpoint. Absent keys take the defaults of the
 * family's configuration class in transformers, not guesses.
 */
public final class HuggingFaceConfig {
  private static final List<String> KNOWN =
      List.of("llama", "mistral", "qwen2", "qwen3", "gpt2", "baichuan");

  private HuggingFaceConfig() {}

  /**
   * The configuration in a file.
   *
   * @param name what the model is called in results
   * @throws UserError when the file is no such JSON, the architecture is unknown, or its numbers
   *     contradict each other
   */
  public static ModelConfig read(Path file, String name) {
    JsonObject json = JsonObject.read(file);
    String type = json.string("model_type", "").toLowerCase(Locale.ROOT);
    try {
      return switch (type) {
        case "llama", "mistral", "qwen2", "qwen3" -> llamaLike(json, type, name);
        case "baichuan" -> baichuan(json, name);
        case "gpt2" -> gpt2(json, name);
        default ->
            throw new UserError(
                "unknown architecture: model_type '%s', expected one of %s"
                    .formatted(type, String.join(", ", KNOWN)));
      };
    } catch (UserError e) {
      throw new UserError(e.exitCode(), file + ": " + e.getMessage());
    }
  }

  private static ModelConfig llamaLike(JsonObject json, String type, String name) {
    boolean attentionBias = json.flag("attention_bias", false);
    boolean mlpBias = type.equals("llama") && json.flag("mlp_bias", false);
    boolean qwen2 = type.equals("qwen2");
    ModelConfig.Builder b =
        blocks(json, type, name)
            .tokens(json.integer("vocab_size"), json.integer("max_position_embeddings", 2048))
            .rope(ropeTheta(json), ropeScaling(json))
            .biases(qwen2 || attentionBias, !qwen2 && attentionBias, mlpBias)
            .qkNorm(type.equals("qwen3"))
            .tied(json.flag("tie_word_embeddings", false));
    return window(json, type, b).build();
  }

  private static ModelConfig.Builder blocks(JsonObject json, String type, String name) {
    int hidden = json.integer("hidden_size");
    int heads = json.integer("num_attention_heads");
    int headDim = headDim(json, hidden, heads);
    return ModelConfig.builder(name, type)
        .size(json.integer("num_hidden_layers"), hidden, json.integer("intermediate_size"))
        .heads(heads, json.integer("num_key_value_heads", heads), headDim)
        .norm(NormKind.RMS, (float) json.number("rms_norm_eps", 1e-6))
        .mlp(Activation.ofHuggingFace(json.string("hidden_act", "silu")), true);
  }

  private static int headDim(JsonObject json, int hidden, int heads) {
    if (json.has("head_dim")) {
      return json.integer("head_dim");
    }
    if (heads < 1 || hidden % heads != 0) {
      throw new UserError(
          "hidden_size %d is no multiple of num_attention_heads %d and there is no head_dim"
              .formatted(hidden, heads));
    }
    return hidden / heads;
  }

  private static double ropeTheta(JsonObject json) {
    // transformers 5 moved the base into rope_parameters.
    JsonObject nested = json.object("rope_parameters");
    double fallback = nested == null ? 10_000 : nested.number("rope_theta", 10_000);
    return json.number("rope_theta", fallback);
  }

  private static RopeScaling ropeScaling(JsonObject json) {
    JsonObject s = json.object("rope_scaling");
    if (s == null) {
      s = json.object("rope_parameters");
    }
    if (s == null) {
      return new RopeScaling.None();
    }
    String kind = s.string("rope_type", s.string("type", "default"));
    return switch (kind) {
      case "default" -> new RopeScaling.None();
      case "linear" -> new RopeScaling.Linear(positive(s, "factor"));
      case "llama3" ->
          new RopeScaling.Llama3(
              positive(s, "factor"),
              positive(s, "low_freq_factor"),
              positive(s, "high_freq_factor"),
              s.integer("original_max_position_embeddings"));
      default ->
          throw new UserError(
              "rope_scaling of type '" + kind + "': expected default, linear or llama3");
    };
  }

  private static double positive(JsonObject json, String key) {
    double value = json.number(key);
    if (!(value > 0) || Double.isInfinite(value)) {
      throw new UserError(key + " is " + value + ": expected a positive number");
    }
    return value;
  }

  private static ModelConfig.Builder window(JsonObject json, String type, ModelConfig.Builder b) {
    if (type.equals("mistral")) {
      // Absent means the class default of 4096, null means none.
      int window = json.has("sliding_window") ? json.integer("sliding_window") : 0;
      return b.window(json.isAbsent("sliding_window") ? 4096 : window, 0);
    }
    boolean used = type.startsWith("qwen") && json.flag("use_sliding_window", false);
    if (used && json.has("sliding_window")) {
      return b.window(json.integer("sliding_window"), json.integer("max_window_layers", 28));
    }
    return b;
  }

  /**
   * Baichuan 2 divides the head's rows by their norms; a head that was written normalised says
   * {@code "normalized_head": false}. Baichuan's 7B models have positions and rotate; its 13B
   * models name only a model_max_length and use ALiBi.
   */
  private static ModelConfig baichuan(JsonObject json, String name) {
    boolean rotary = json.has("max_position_embeddings");
    int vocabulary = json.integer("vocab_size");
    int context =
        rotary ? json.integer("max_position_embeddings") : json.integer("model_max_length", 4096);
    return blocks(json, "baichuan", name)
        .tokens(vocabulary, context)
        .positions(rotary ? PositionKind.ROPE : PositionKind.ALIBI)
        .rope(ropeTheta(json), ropeScaling(json))
        .tied(json.flag("tie_word_embeddings", false))
        .normalizedHead(
            json.flag("normalized_head", json.has("z_loss_weight") || vocabulary == 125_696))
        .build();
  }

  private static ModelConfig gpt2(JsonObject json, String name) {
    if (json.flag("scale_attn_by_inverse_layer_idx", false)
        || !json.flag("scale_attn_weights", true)) {
      throw new UserError("gpt2 with another scaling of the scores than 1/sqrt(head_dim)");
    }
    int hidden = json.integer("n_embd");
    int heads = json.integer("n_head");
    return ModelConfig.builder(name, "gpt2")
        .size(json.integer("n_layer"), hidden, json.integer("n_inner", 4 * hidden))
        .heads(heads, heads, headDim(json, hidden, heads))
        .tokens(json.integer("vocab_size"), json.integer("n_positions", 1024))
        .norm(NormKind.LAYER, (float) json.number("layer_norm_epsilon", 1e-5))
        .mlp(Activation.ofHuggingFace(json.string("activation_function", "gelu_new")), false)
        .positions(PositionKind.LEARNED)
        .biases(true, true, true)
        .tied(json.flag("tie_word_embeddings", true))
        .build();
  }
}
