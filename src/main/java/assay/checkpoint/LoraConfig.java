package assay.checkpoint;

import assay.model.UserError;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * PEFT's {@code adapter_config.json} of a LoRA adapter: which modules it adapts, with which rank
 * and scale. What changes the arithmetic and is not LoRA as in Hu et al. 2021 is refused.
 */
final class LoraConfig {
  static final String FILE = "adapter_config.json";
  private static final String ALL_LINEAR = "all-linear";

  /** A rank and an alpha, and what overrides them for modules whose name matches. */
  private record Patterned(double value, SequencedMap<ModulePattern, Double> patterns) {
    /** PEFT takes the first pattern that matches the module's name or the end of it. */
    double of(String module) {
      for (Map.Entry<ModulePattern, Double> e : patterns.entrySet()) {
        if (e.getKey().matches(module)) {
          return e.getValue();
        }
      }
      return value;
    }
  }

  private final String where;
  private final Patterned rank;
  private final Patterned alpha;
  private final boolean rankStabilized;
  private final @Nullable ModulePattern targetRegex;
  private final List<String> targets;
  private final @Nullable List<Integer> layers;

  private LoraConfig(String where, JsonObject json) {
    this.where = where;
    refuseWhatIsNotPlainLora(json);
    rank = patterned(json, "r", "rank_pattern");
    alpha = patterned(json, "lora_alpha", "alpha_pattern");
    rankStabilized = json.flag("use_rslora", false);
    JsonNode t = json.node().path("target_modules");
    String one = t.isString() ? t.stringValue() : null;
    targetRegex = one == null || one.equals(ALL_LINEAR) ? null : new ModulePattern(one, "");
    targets = one == null ? strings("target_modules", t) : List.of(one);
    layers = layers(json.node().path("layers_to_transform"));
  }

  /**
   * Reads and checks the file of an adapter's folder.
   *
   * @throws UserError with the key, what it holds and what is expected
   */
  static LoraConfig read(Path folder) {
    Path file = folder.resolve(FILE);
    JsonObject json = JsonObject.read(file);
    try {
      return new LoraConfig(file.toString(), json);
    } catch (UserError e) {
      throw String.valueOf(e.getMessage()).startsWith(file.toString())
          ? e
          : new UserError(file + ": " + e.getMessage());
    }
  }

  private void refuseWhatIsNotPlainLora(JsonObject json) {
    String type = json.string("peft_type", "");
    if (!type.equals("LORA")) {
      throw new UserError("peft_type is '" + type + "': only LORA adapters can be read");
    }
    String bias = json.string("bias", "none");
    if (!bias.equals("none")) {
      throw new UserError("bias is '" + bias + "': only adapters without biases can be read");
    }
    for (String flag : List.of("use_dora", "use_qalora", "lora_bias", "use_bdlora")) {
      JsonNode v = json.node().path(flag);
      if (!v.isMissingNode() && !v.isNull() && !(v.isBoolean() && !v.booleanValue())) {
        throw new UserError(flag + " is set: only plain LoRA adapters can be read");
      }
    }
    for (String key :
        List.of(
            "modules_to_save",
            "trainable_token_indices",
            "layer_replication",
            "exclude_modules",
            "target_parameters",
            "alora_invocation_tokens",
            "arrow_config",
            "kasa_config",
            "monteclora_config",
            "layers_pattern")) {
      JsonNode v = json.node().path(key);
      boolean empty = v.isMissingNode() || v.isNull() || (v.isContainer() && v.isEmpty());
      if (!empty && !(v.isString() && v.stringValue().isEmpty())) {
        throw new UserError(key + " is set: only adapters of linear layers alone can be read");
      }
    }
    JsonNode init = json.node().path("init_lora_weights");
    if (init.isString()
        && List.of("pissa", "olora", "corda", "loftq", "lora_ga").stream()
            .anyMatch(init.stringValue().toLowerCase(Locale.ROOT)::startsWith)) {
      throw new UserError(
          "init_lora_weights is '"
              + shortened(init.stringValue())
              + "', which changes the base's weights: convert it to plain LoRA first");
    }
  }

  private static Patterned patterned(JsonObject json, String key, String patternKey) {
    double value = positive(key, json.number(key));
    SequencedMap<ModulePattern, Double> patterns = new LinkedHashMap<>();
    JsonObject map = json.object(patternKey);
    if (map != null) {
      for (Map.Entry<String, JsonNode> e : map.node().properties()) {
        String where = patternKey + " '" + shortened(e.getKey()) + "'";
        if (!e.getValue().isNumber()) {
          throw new UserError(where + ": expected a number");
        }
        patterns.put(
            new ModulePattern(e.getKey(), "(?:.*\\.)?"),
            positive(where, e.getValue().doubleValue()));
      }
    }
    return new Patterned(value, patterns);
  }

  private static double positive(String what, double value) {
    if (!(value > 0) || value > 1e6) {
      throw new UserError(what + " is " + value + ": expected a positive number");
    }
    return value;
  }

  private static List<String> strings(String key, JsonNode node) {
    List<String> out = new ArrayList<>();
    for (JsonNode n : node) {
      if (!n.isString() || n.stringValue().isEmpty()) {
        throw new UserError(key + " holds " + shortened(n.toString()) + ": expected names");
      }
      out.add(n.stringValue());
    }
    if (!node.isArray() || out.isEmpty()) {
      throw new UserError(
          key + " is " + shortened(node.toString()) + ": expected a list of names or a pattern");
    }
    return List.copyOf(out);
  }

  private static @Nullable List<Integer> layers(JsonNode node) {
    if (node.isMissingNode() || node.isNull()) {
      return null;
    }
    List<Integer> out = new ArrayList<>();
    for (JsonNode n : node.isArray() ? node : List.of(node)) {
      if (!n.isIntegralNumber() || !n.canConvertToInt()) {
        throw new UserError(
            "layers_to_transform is " + shortened(node.toString()) + ": expected whole numbers");
      }
      out.add(n.intValue());
    }
    return List.copyOf(out);
  }

  static String shortened(String s) {
    return s.length() > 60 ? s.substring(0, 60) + "…" : s;
  }

  /**
   * Whether a module is adapted.
   *
   * @param module its name in the base model, such as {@code model.layers.0.self_attn.q_proj}
   */
  boolean adapts(String module, int layer) {
    if (layers != null && !layers.contains(layer)) {
      return false;
    }
    if (targetRegex != null) {
      return targetRegex.matches(module);
    }
    return targets.equals(List.of(ALL_LINEAR))
        || targets.stream().anyMatch(t -> module.equals(t) || module.endsWith("." + t));
  }

  /** Rank of a module's adapter. */
  int rank(String module) {
    double r = rank.of(module);
    if (r != Math.rint(r)) {
      throw new UserError(where + ": rank " + r + ": expected a whole number");
    }
    return (int) r;
  }

  /** What B·A is multiplied with: alpha / rank, or alpha / √rank where ranks are stabilised. */
  double scale(String module) {
    int r = rank(module);
    return alpha.of(module) / (rankStabilized ? Math.sqrt(r) : r);
  }

  /**
   * A regular expression of the file. It comes from a stranger: its length and the steps that
   * matching takes are bounded.
   */
  private static final class ModulePattern {
    private static final int MAX_LENGTH = 2000;
    private static final int MAX_STEPS = 2_000_000;

    private final String text;
    private final Pattern pattern;

    ModulePattern(String text, String prefix) {
      this.text = text;
      if (text.length() > MAX_LENGTH) {
        throw new UserError(
            "a pattern of " + text.length() + " characters: expected at most " + MAX_LENGTH);
      }
      try {
        pattern = Pattern.compile(prefix + "(?:" + text + ")");
      } catch (IllegalArgumentException | StackOverflowError e) {
        throw new UserError("'" + shortened(text) + "' is no pattern that can be used");
      }
    }

    boolean matches(String name) {
      try {
        return pattern.matcher(new Counted(name, new AtomicInteger())).matches();
      } catch (TooManyStepsException | StackOverflowError e) {
        throw new UserError("the pattern '" + shortened(text) + "' takes too long to match");
      }
    }

    @Override
    public String toString() {
      return text;
    }

    private static final class TooManyStepsException extends RuntimeException {
      private static final long serialVersionUID = 1L;
    }

    private record Counted(String text, AtomicInteger steps) implements CharSequence {
      @Override
      public char charAt(int index) {
        if (steps.incrementAndGet() > MAX_STEPS) {
          throw new TooManyStepsException();
        }
        return text.charAt(index);
      }

      @Override
      public int length() {
        return text.length();
      }

      @Override
      public CharSequence subSequence(int start, int end) {
        return new Counted(text.substring(start, end), steps);
      }

      @Override
      public String toString() {
        return text;
      }
    }
  }
}
