package assay.checkpoint;

import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.PositionKind;
import assay.model.RopeScaling;
import assay.model.TensorSpec;
import assay.model.UserError;
import assay.model.WeightLayout;
import assay.model.WeightSource;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Writes a model as a folder with config.json and model.safetensors, as Hugging Face has them. */
public final class HuggingFaceExport {
  private static final List<DType> TYPES = List.of(DType.F32, DType.F16, DType.BF16);

  private final WeightSource source;
  private final ModelConfig config;
  private final @Nullable DType type;

  /**
   * What is to be written. A head whose rows are normalised at every step is written normalised:
   * Baichuan 2 becomes Baichuan 1.
   *
   * @param type of all tensors; null keeps the type that each has
   * @throws UserError for a type or a model that such a folder cannot hold
   */
  public HuggingFaceExport(WeightSource source, @Nullable DType type) {
    this.source = source.config().normalizedHead() ? new NormalizedHead(source) : source;
    this.config = this.source.config();
    this.type = type;
    if (type != null && !TYPES.contains(type)) {
      throw new UserError(
          "a safetensors folder cannot hold %s: expected one of %s, or write a GGUF file (--gguf)"
              .formatted(type, TYPES));
    }
    if (config.nExperts() > 1) {
      throw new UserError(config.name() + " is a mixture of experts, which cannot be written");
    }
  }

  /**
   * Writes the folder, which is made if it is not there.
   *
   * @param progress hears the parameters done so far
   */
  public void write(Path folder, LongConsumer progress) {
    SequencedMap<String, SafetensorsWriter.Announced> announced = new LinkedHashMap<>();
    for (TensorSpec t : WeightLayout.of(config)) {
      TensorNames.Place place = TensorNames.of(config, t);
      announced.put(
          name(place, t), new SafetensorsWriter.Announced(storedType(t), shape(place, t)));
    }
    try {
      Files.createDirectories(folder);
      Files.writeString(folder.resolve("config.json"), configJson());
    } catch (IOException e) {
      throw new UserError(folder + ": cannot be written: " + e);
    }
    Path file = folder.resolve("model.safetensors");
    try (SafetensorsWriter writer =
        new SafetensorsWriter(file, announced, Map.of("format", "pt"))) {
      long done = 0;
      for (TensorSpec t : WeightLayout.of(config)) {
        write(writer, t);
        done += t.elements();
        progress.accept(done);
      }
      writer.finish();
    }
  }

  private String name(TensorNames.Place place, TensorSpec t) {
    return switch (t.role()) {
      case HEAD -> place.name();
      default -> TensorNames.prefixes(config)[0] + place.name();
    };
  }

  private static List<Long> shape(TensorNames.Place place, TensorSpec t) {
    if (!t.role().isMatrix()) {
      return List.of(place.storedOutputs());
    }
    return place.transposed()
        ? List.of(t.columns(), place.storedOutputs())
        : List.of(place.storedOutputs(), t.columns());
  }

  private DType storedType(TensorSpec t) {
    if (type != null) {
      return type;
    }
    DType stored = source.storedType(t);
    return TYPES.contains(stored) ? stored : DType.F32;
  }

  private void write(SafetensorsWriter writer, TensorSpec t) {
    TensorNames.Place place = TensorNames.of(config, t);
    DType stored = storedType(t);
    String name = name(place, t);
    if (place.transposed()) {
      writeTransposed(writer, t, place, stored, name);
      return;
    }
    long rowBytes = stored.rowBytes(t.columns());
    long unit = t.role().isMatrix() ? rowBytes : stored.blockBytes();
    RowConverter.convert(
        source,
        t,
        stored,
        (first, bytes) -> writer.write(name, place.first() * unit + first * rowBytes, bytes));
  }

  /** [in, out]: each row of the file takes one element of each of our rows. */
  private void writeTransposed(
      SafetensorsWriter writer, TensorSpec t, TensorNames.Place place, DType stored, String name) {
    int elementBytes = stored.blockBytes();
    long rows = t.rows();
    try (Arena arena = Arena.ofShared()) {
      MemorySegment ours = arena.allocate(stored.bytes(rows, t.columns()), 64);
      RowConverter.convert(
          source,
          t,
          stored,
          (first, bytes) ->
              MemorySegment.copy(
                  bytes, 0, ours, first * stored.rowBytes(t.columns()), bytes.byteSize()));
      MemorySegment line = arena.allocate(rows * elementBytes, 64);
      for (long in = 0; in < t.columns(); in++) {
        for (long out = 0; out < rows; out++) {
          MemorySegment.copy(
              ours,
              (out * t.columns() + in) * elementBytes,
              line,
              out * elementBytes,
              elementBytes);
        }
        writer.write(name, (in * place.storedOutputs() + place.first()) * elementBytes, line);
      }
    }
  }

  private String configJson() {
    ObjectNode json = new JsonMapper().createObjectNode();
    if (config.architecture().equals("gpt2")) {
      gpt2(json);
    } else {
      llamaLike(json);
    }
    json.put("vocab_size", config.vocabSize());
    json.put("tie_word_embeddings", config.tiedEmbeddings());
    DType all = type == null ? DType.F32 : type;
    json.put(
        "torch_dtype",
        switch (all) {
          case F16 -> "float16";
          case BF16 -> "bfloat16";
          default -> "float32";
        });
    return json.toPrettyString() + "\n";
  }

  private void gpt2(ObjectNode json) {
    json.put("model_type", "gpt2").putArray("architectures").add("GPT2LMHeadModel");
    json.put("n_layer", config.nLayers()).put("n_embd", config.hiddenSize());
    json.put("n_head", config.nHeads()).put("n_inner", config.intermediateSize());
    json.put("n_positions", config.maxSeqLen());
    json.put("layer_norm_epsilon", exact(config.normEps()));
    json.put("activation_function", config.activation().huggingFaceName());
  }

  private void llamaLike(ObjectNode json) {
    // A llama from a GGUF file may have a window; the family that can say so is mistral.
    boolean windowed = config.architecture().equals("llama") && config.slidingWindow() > 0;
    String family = windowed ? "mistral" : config.architecture();
    json.put("model_type", family).putArray("architectures").add(className(family));
    json.put("num_hidden_layers", config.nLayers()).put("hidden_size", config.hiddenSize());
    json.put("intermediate_size", config.intermediateSize());
    json.put("num_attention_heads", config.nHeads());
    json.put("num_key_value_heads", config.nKvHeads()).put("head_dim", config.headDim());
    json.put("rms_norm_eps", exact(config.normEps()));
    json.put("hidden_act", config.activation().huggingFaceName());
    boolean rotary = config.positions() == PositionKind.ROPE;
    json.put(rotary ? "max_position_embeddings" : "model_max_length", config.maxSeqLen());
    if (rotary) {
      json.put("rope_theta", config.ropeTheta());
      scaling(json);
    }
    if (!family.startsWith("qwen2")) {
      json.put("attention_bias", config.qkvBias());
      json.put("mlp_bias", config.mlpBias());
    }
    if (family.equals("baichuan")) {
      json.put("normalized_head", false);
    }
    window(json, family);
  }

  private void window(ObjectNode json, String family) {
    if (family.startsWith("qwen")) {
      json.put("use_sliding_window", config.slidingWindow() > 0);
      json.put("max_window_layers", config.firstWindowLayer());
    }
    if (config.slidingWindow() > 0) {
      json.put("sliding_window", config.slidingWindow());
    } else if (family.equals("mistral")) {
      json.putNull("sliding_window");
    }
  }

  private void scaling(ObjectNode json) {
    switch (config.ropeScaling()) {
      case RopeScaling.None none -> {}
      case RopeScaling.Linear l ->
          json.putObject("rope_scaling").put("rope_type", "linear").put("factor", l.factor());
      case RopeScaling.Llama3 l ->
          json.putObject("rope_scaling")
              .put("rope_type", "llama3")
              .put("factor", l.factor())
              .put("low_freq_factor", l.lowFreqFactor())
              .put("high_freq_factor", l.highFreqFactor())
              .put("original_max_position_embeddings", l.originalMaxPositions());
      case RopeScaling.PerPair p ->
          throw new UserError(
              config.name()
                  + ": this file scales each rotary frequency by itself, which a config.json cannot"
                  + " say: write a GGUF file (--gguf)");
    }
  }

  private static String className(String family) {
    return switch (family) {
      case "llama" -> "LlamaForCausalLM";
      case "mistral" -> "MistralForCausalLM";
      case "qwen2" -> "Qwen2ForCausalLM";
      case "qwen3" -> "Qwen3ForCausalLM";
      case "baichuan" -> "BaichuanForCausalLM";
      default -> throw new UserError("no folder layout for architecture " + family);
    };
  }

  /** 1.0E-6 rather than the 9.999999974752427E-7 that the float is in double. */
  private static double exact(float value) {
    return Double.parseDouble(Float.toString(value));
  }
}
