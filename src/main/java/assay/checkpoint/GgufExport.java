package assay.checkpoint;

import assay.model.Activation;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.PositionKind;
import assay.model.RopeScaling;
import assay.model.TensorSpec;
import assay.model.UserError;
import assay.model.WeightLayout;
import assay.model.WeightRole;
import assay.model.WeightSource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/** Writes a model as a GGUF file that llama.cpp opens. */
public final class GgufExport {
  private static final List<DType> TYPES =
      List.of(DType.F32, DType.F16, DType.BF16, DType.Q8_0, DType.Q4_0);

  private final WeightSource source;
  private final ModelConfig config;
  private final String architecture;
  private final @Nullable DType type;
  private final List<String> remarks = new ArrayList<>();

  /**
   * What is to be written.
   *
   * @param type of the matrices; null keeps the type that each has
   * @throws UserError when GGUF has no place for such a model or type
   */
  public GgufExport(WeightSource source, @Nullable DType type) {
    this.source = source.config().normalizedHead() ? new NormalizedHead(source) : source;
    this.config = this.source.config();
    this.type = type;
    this.architecture = architecture(config);
    checkActivation();
    if (type != null && !TYPES.contains(type)) {
      throw new UserError("cannot write matrices as " + type + ": expected one of " + TYPES);
    }
  }

  /** GGUF has no key for it: every reader takes the one of the architecture. */
  private void checkActivation() {
    Activation implied = architecture.equals("gpt2") ? Activation.GELU_TANH : Activation.SILU;
    if (config.activation() != implied) {
      throw new UserError(
          "%s: the activation %s cannot be written as GGUF: its architecture %s means %s"
              .formatted(config.name(), config.activation(), architecture, implied));
    }
  }

  private static String architecture(ModelConfig c) {
    boolean llama =
        switch (c.architecture()) {
          case "llama", "mistral", "baichuan" -> true;
          default -> false;
        };
    if (llama && c.positions() == PositionKind.ROPE) {
      return "llama"; // the file format has one architecture for all of these
    }
    if (List.of("qwen2", "qwen3", "gpt2").contains(c.architecture())) {
      return c.architecture();
    }
    throw new UserError(
        "%s: architecture %s with positions %s cannot be written as GGUF: expected llama, mistral, baichuan (7B), qwen2, qwen3 or gpt2"
            .formatted(c.name(), c.architecture(), c.positions()));
  }

  /** What was done otherwise than asked, in words; after {@link #write}. */
  public List<String> remarks() {
    return List.copyOf(remarks);
  }

  /** The metadata of the model, without a tokenizer. */
  public GgufMetadata metadata() {
    ModelConfig c = config;
    GgufMetadata m = new GgufMetadata();
    m.string("general.architecture", architecture).string("general.name", c.name());
    m.uint32("general.quantization_version", 2).uint32("general.file_type", fileType());
    m.uint32(key("block_count"), c.nLayers()).uint32(key("context_length"), c.maxSeqLen());
    m.uint32(key("embedding_length"), c.hiddenSize());
    m.uint32(key("feed_forward_length"), c.intermediateSize());
    m.uint32(key("attention.head_count"), c.nHeads());
    m.uint32(key("attention.head_count_kv"), c.nKvHeads());
    m.uint32(key("attention.key_length"), c.headDim());
    m.uint32(key("attention.value_length"), c.headDim());
    m.uint32(key("vocab_size"), c.vocabSize());
    if (architecture.equals("gpt2")) {
      m.float32(key("attention.layer_norm_epsilon"), c.normEps());
    } else {
      m.float32(key("attention.layer_norm_rms_epsilon"), c.normEps());
      rotary(m);
    }
    return m;
  }

  private void rotary(GgufMetadata m) {
    m.uint32(key("rope.dimension_count"), config.headDim());
    m.float32(key("rope.freq_base"), config.ropeTheta());
    if (config.ropeScaling() instanceof RopeScaling.Linear linear) {
      m.string(key("rope.scaling.type"), "linear");
      m.float32(key("rope.scaling.factor"), linear.factor());
    }
    if (config.slidingWindow() > 0) {
      m.uint32(key("attention.sliding_window"), config.slidingWindow());
      boolean[] windowed = new boolean[config.nLayers()];
      for (int l = 0; l < windowed.length; l++) {
        windowed[l] = config.windowOf(l) > 0;
      }
      m.flags(key("attention.sliding_window_pattern"), windowed);
    }
  }

  private String key(String suffix) {
    return architecture + "." + suffix;
  }

  /** llama.cpp's number for "mostly of this type". */
  private int fileType() {
    return switch (type == null ? DType.F32 : type) {
      case F16 -> 1;
      case BF16 -> 32;
      case Q8_0 -> 7;
      case Q4_0 -> 2;
      default -> 0;
    };
  }

  /**
   * Writes the file.
   *
   * @param metadata {@link #metadata}, with the tokenizer's added
   * @param progress hears the parameters done so far
   */
  public void write(Path path, GgufMetadata metadata, LongConsumer progress) {
    SequencedMap<String, GgufWriter.Announced> announced = new LinkedHashMap<>();
    for (TensorSpec t : WeightLayout.of(config)) {
      GgufNames.Place place = GgufNames.of(config, architecture, t);
      List<Long> shape =
          t.role().isMatrix()
              ? List.of(place.storedRows(), t.columns())
              : List.of(place.storedRows());
      announced.put(place.name(), new GgufWriter.Announced(storedType(t), shape));
    }
    float[] divisors = divisors();
    if (divisors.length > 0) {
      announced.put(
          "rope_freqs.weight",
          new GgufWriter.Announced(DType.F32, List.of((long) divisors.length)));
    }
    try (GgufWriter writer = new GgufWriter(path, metadata, announced)) {
      writeTensors(writer, progress);
      writeFloats(writer, "rope_freqs.weight", 0, divisors);
      writer.finish();
    }
  }

  private void writeTensors(GgufWriter writer, LongConsumer progress) {
    long done = 0;
    for (TensorSpec t : WeightLayout.of(config)) {
      GgufNames.Place place = GgufNames.of(config, architecture, t);
      if (t.role().isMatrix()) {
        DType stored = storedType(t);
        long rowBytes = stored.rowBytes(t.columns());
        RowConverter.convert(
            source,
            t,
            stored,
            row -> place.ours(row, config.headDim()),
            (first, bytes) ->
                writer.write(place.name(), (place.first() + first) * rowBytes, bytes));
      } else {
        float[] values = new float[Math.toIntExact(t.columns())];
        float[] ours = vector(t);
        for (int i = 0; i < values.length; i++) {
          values[i] = ours[(int) place.ours(i, config.headDim())];
        }
        writeFloats(writer, place.name(), 4 * place.first(), values);
      }
      done += t.elements();
      progress.accept(done);
    }
  }

  private float[] vector(TensorSpec t) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment bytes = arena.allocate(4 * t.columns(), 64);
      source.read(t, 0, 1, DType.F32, bytes);
      return bytes.toArray(GgufCursor.FLOAT);
    }
  }

  private static void writeFloats(GgufWriter writer, String name, long offset, float[] values) {
    if (values.length == 0) {
      return;
    }
    try (Arena arena = Arena.ofConfined()) {
      writer.write(name, offset, arena.allocateFrom(GgufCursor.FLOAT, values));
    }
  }

  /** Vectors and positions stay in fp32, and rows that do not fill blocks become F16. */
  private DType storedType(TensorSpec t) {
    if (!t.role().isMatrix() || t.role() == WeightRole.POSITION_EMBEDDING) {
      return DType.F32;
    }
    DType wanted = type == null ? source.storedType(t) : type;
    if (t.columns() % wanted.blockElements() == 0) {
      return wanted;
    }
    String remark =
        "rows of %d elements do not fill %s's blocks of %d: those matrices are written as F16"
            .formatted(t.columns(), wanted, wanted.blockElements());
    if (!remarks.contains(remark)) {
      remarks.add(remark);
    }
    return DType.F16;
  }

  /** What each pair's frequency is divided by, where the file needs a tensor for it. */
  private float[] divisors() {
    RopeScaling scaling = config.ropeScaling();
    boolean needed =
        scaling instanceof RopeScaling.Llama3 || scaling instanceof RopeScaling.PerPair;
    float[] out = new float[needed ? config.headDim() / 2 : 0];
    for (int i = 0; i < out.length; i++) {
      double f = Math.pow(config.ropeTheta(), -2.0 * i / config.headDim());
      out[i] = (float) (f / scaling.scale(i, f));
    }
    return out;
  }
}
