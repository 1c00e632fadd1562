package assay.checkpoint;

import assay.model.Activation;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.NormKind;
import assay.model.PositionKind;
import assay.model.RopeScaling;
import assay.model.UserError;
import java.util.ArrayList;
import java.util.List;

/**
 * The shape of the model in a GGUF file, from its metadata and from which tensors it holds. Absent
 * keys take llama.cpp's defaults.
 */
final class GgufConfig {
  private static final List<String> KNOWN = List.of("llama", "qwen2", "qwen3", "gpt2");

  private final GgufFile file;
  private final String architecture;

  private GgufConfig(GgufFile file) {
    this.file = file;
    this.architecture = file.string("general.architecture");
  }

  static ModelConfig read(GgufFile file, String name) {
    GgufConfig reader = new GgufConfig(file);
    if (!KNOWN.contains(reader.architecture)) {
      throw new UserError(
          "%s: unknown architecture '%s': expected one of %s"
              .formatted(file.path(), reader.architecture, String.join(", ", KNOWN)));
    }
    try {
      return reader.config(name);
    } catch (UserError e) {
      String message = e.getMessage();
      boolean located = message != null && message.startsWith(file.path() + ":");
      throw located ? e : new UserError(file.path() + ": " + message);
    }
  }

  private ModelConfig config(String name) {
    boolean gpt2 = architecture.equals("gpt2");
    if (file.integer(key("expert_count"), 0) > 0) {
      throw new UserError("a mixture of experts in GGUF cannot be read");
    }
    int heads = integer("attention.head_count");
    int hidden = integer("embedding_length");
    int headDim = headDim(hidden, heads);
    ModelConfig.Builder b =
        ModelConfig.builder(name, architecture)
            .size(integer("block_count"), hidden, integer("feed_forward_length"))
            .heads(heads, kvHeads(heads), headDim)
            .tokens(embeddingRows(), integer("context_length"))
            .biases(gpt2 || has("attn_q.bias"), has("attn_output.bias"), has("ffn_up.bias"))
            .qkNorm(has("attn_q_norm.weight"))
            .tied(!file.entries().containsKey("output.weight"));
    if (gpt2) {
      return b.norm(NormKind.LAYER, epsilon("attention.layer_norm_epsilon"))
          .mlp(Activation.GELU_TANH, false)
          .positions(PositionKind.LEARNED)
          .build();
    }
    return b.norm(NormKind.RMS, epsilon("attention.layer_norm_rms_epsilon"))
        .rope(file.number(key("rope.freq_base"), 10_000), scaling(headDim))
        .window(integer("attention.sliding_window", 0), firstWindowLayer())
        .build();
  }

  private String key(String suffix) {
    return architecture + "." + suffix;
  }

  /** Whether the first block has such a tensor. */
  private boolean has(String suffix) {
    return file.entries().containsKey("blk.0." + suffix);
  }

  private int integer(String suffix) {
    long v = file.integer(key(suffix));
    if (v < 0 || v > Integer.MAX_VALUE) {
      throw new UserError(
          "%s is %s: expected less than 2^31".formatted(key(suffix), Long.toUnsignedString(v)));
    }
    return (int) v;
  }

  private int integer(String suffix, int fallback) {
    return file.has(key(suffix)) ? integer(suffix) : fallback;
  }

  private float epsilon(String suffix) {
    return (float) file.number(key(suffix));
  }

  /** One number, or one per layer, all the same. */
  private int kvHeads(int heads) {
    String suffix = "attention.head_count_kv";
    if (file.metadata().get(key(suffix)) instanceof GgufArray array) {
      int[] perLayer = array.ints();
      for (int n : perLayer) {
        if (n != perLayer[0]) {
          throw new UserError(key(suffix) + " differs between layers: expected one number");
        }
      }
      return perLayer.length == 0 ? heads : perLayer[0];
    }
    return integer(suffix, heads);
  }

  private int headDim(int hidden, int heads) {
    boolean given = file.has(key("attention.key_length"));
    if (!given && (heads < 1 || hidden % heads != 0)) {
      throw new UserError(
          "embedding_length %d is no multiple of head_count %d and there is no key_length"
              .formatted(hidden, heads));
    }
    int headDim = given ? integer("attention.key_length") : hidden / heads;
    if (integer("attention.value_length", headDim) != headDim) {
      throw new UserError("keys and values of different lengths cannot be run");
    }
    int rotated = integer("rope.dimension_count", headDim);
    if (rotated != headDim) {
      throw new UserError(
          "only %d of %d elements of a head are rotated: expected all".formatted(rotated, headDim));
    }
    return headDim;
  }

  private int embeddingRows() {
    GgufFile.Entry e = file.entries().get("token_embd.weight");
    if (e == null || e.shape().size() != 2 || e.shape().get(0) > Integer.MAX_VALUE) {
      throw new UserError("no tensor 'token_embd.weight' of two dimensions");
    }
    return Math.toIntExact(e.shape().get(0));
  }

  /** From which layer on the window holds: the pattern's flags must be false, then true. */
  private int firstWindowLayer() {
    String key = key("attention.sliding_window_pattern");
    if (!(file.metadata().get(key) instanceof GgufArray array)) {
      return 0;
    }
    boolean[] windowed = array.flags();
    int first = 0;
    while (first < windowed.length && !windowed[first]) {
      first++;
    }
    for (int l = first; l < windowed.length; l++) {
      if (!windowed[l]) {
        throw new UserError(key + " alternates: expected a window from one layer on");
      }
    }
    return first;
  }

  private RopeScaling scaling(int headDim) {
    double factor = file.number(key("rope.scaling.factor"), 0);
    if (factor == 0) { // the key's older name
      factor = file.number(key("rope.scale_linear"), 1);
    }
    String type = file.string(key("rope.scaling.type"), factor == 1 ? "none" : "linear");
    if (!type.equals("none") && !type.equals("linear")) {
      throw new UserError(
          "%s is '%s': expected none or linear".formatted(key("rope.scaling.type"), type));
    }
    if (type.equals("none")) {
      factor = 1;
    }
    if (!(factor > 0)) {
      throw new UserError(key("rope.scaling.factor") + " is " + factor + ": expected more than 0");
    }
    GgufFile.Entry divisors = file.entries().get("rope_freqs.weight");
    if (divisors != null) {
      return perPair(divisors, headDim / 2, factor);
    }
    return factor == 1 ? new RopeScaling.None() : new RopeScaling.Linear(factor);
  }

  private static RopeScaling perPair(GgufFile.Entry e, int pairs, double factor) {
    if (e.type() != DType.F32 || e.elements() != pairs) {
      throw new UserError(
          "tensor 'rope_freqs.weight' is %s %s: expected F32 [%d]"
              .formatted(e.type(), e.shape(), pairs));
    }
    List<Double> divisors = new ArrayList<>();
    for (int i = 0; i < pairs; i++) {
      double d = e.data().get(GgufCursor.FLOAT, 4L * i) * factor;
      if (!(d > 0) || Double.isInfinite(d)) {
        throw new UserError("tensor 'rope_freqs.weight' holds " + d + ": expected more than 0");
      }
      divisors.add(d);
    }
    return new RopeScaling.PerPair(divisors);
  }
}
