package assay.cli;

import assay.cost.SessionSize;
import assay.estimate.Device;
import assay.estimate.DeviceKind;
import assay.estimate.DeviceTable;
import assay.estimate.InferenceRequest;
import assay.estimate.Scratch;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.TensorSpec;
import assay.model.UserError;
import assay.model.Workload;
import assay.units.Bytes;
import assay.units.Quantity;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What is to be predicted, and where: the options that inference and training share. */
final class EstimateOptions {
  /** A context that a person would choose; never silently the model's maximum. */
  private static final int USUAL_CONTEXT = 4096;

  private static final int USUAL_GENERATED = 256;
  private static final int LARGEST_COUNT = 100_000_000;

  @Option(
      names = {"--precision", "--precisions"},
      paramLabel = "LIST",
      split = ",",
      defaultValue = "bf16",
      description = "fp32, tf32, fp16, bf16, fp8, int8, int4; several with commas. Default: bf16.")
  private List<String> precisions = new ArrayList<>();

  @Option(
      names = "--kv-cache",
      paramLabel = "TYPE",
      description = "Type of the KV cache: fp32, fp16 or bf16. Default: the precision's own.")
  private @Nullable String kvCache;

  @Option(
      names = "--batch",
      paramLabel = "N",
      defaultValue = "1",
      description = "Sequences. Default: 1.")
  int batch;

  @Option(
      names = "--context",
      paramLabel = "TOKENS",
      description = "Room for prompt and generated tokens. Default: 4096, or what they need.")
  private @Nullable Integer context;

  @Option(
      names = "--prompt",
      paramLabel = "TOKENS",
      description = "Tokens of the prompt. Default: the context less the generated ones.")
  private @Nullable Integer prompt;

  @Option(
      names = "--generate",
      paramLabel = "TOKENS",
      description = "Generated tokens; the first comes from the prompt's pass. Default: 256.")
  private @Nullable Integer generate;

  @Option(
      names = "--gpu",
      paramLabel = "NAME",
      description = "A card of the table, such as 'H100 SXM5' or 4090.")
  private @Nullable String gpu;

  @Option(
      names = "--gpu-table",
      paramLabel = "FILE",
      description =
          "A CSV file of your own cards: a header with name and any of memory_gb, bandwidth_gbs,"
              + " fp32, fp16, bf16, … (dense TFLOP/s), source.")
  private @Nullable Path gpuTable;

  @Option(
      names = "--peak-tflops",
      paramLabel = "X",
      description = "Dense peak of the precision's arithmetic, instead of the table's.")
  private @Nullable Double peakTflops;

  @Option(
      names = "--bandwidth",
      paramLabel = "GB/s",
      description = "Memory bandwidth, instead of the table's: 3350, or with a unit, 3.35TB/s.")
  private @Nullable String bandwidth;

  @Option(
      names = "--memory",
      paramLabel = "SIZE",
      description = "Memory of a device, instead of the table's: 80GB, 24GiB.")
  private @Nullable String memory;

  /** Several precisions, in the order given. */
  List<Precision> precisions() {
    return precisions.stream().map(p -> Precision.of(p.strip())).distinct().toList();
  }

  /** The cards. */
  DeviceTable table() {
    return gpuTable == null ? DeviceTable.builtIn() : DeviceTable.with(gpuTable);
  }

  /** True when the user said enough about a device to predict times on it alone. */
  boolean namesADevice(String deviceOption) {
    return gpu != null || peakTflops != null || deviceOption.equals("cpu");
  }

  /**
   * The device that the user means, with what was overridden.
   *
   * @param calibrated that of a calibration file, taken where no card is named
   */
  Device device(String deviceOption, Precision precision, @Nullable Device calibrated) {
    Device d;
    if (gpu != null) {
      d = table().find(gpu);
    } else if (calibrated != null) {
      d = calibrated;
    } else if (deviceOption.equals("cpu")) {
      d = Device.unknown("this CPU", DeviceKind.CPU);
    } else {
      d = Device.unknown(peakTflops == null ? "no device given" : "a device", DeviceKind.CUDA);
    }
    return d.overridden(
        peakTflops == null ? null : Double.valueOf(1e12 * positive("--peak-tflops", peakTflops)),
        bandwidth == null ? null : Double.valueOf(positive("--bandwidth", bandwidthOf(bandwidth))),
        memory == null ? null : Long.valueOf(bytesOf(memory)),
        precision);
  }

  private static double positive(String option, double value) {
    if (!(value > 0 && Double.isFinite(value))) {
      throw new UserError("%s %s: expected a positive number".formatted(option, value));
    }
    return value;
  }

  private static double bandwidthOf(String text) {
    try {
      boolean bare = text.strip().matches("[0-9.eE+]+");
      return bare ? Double.parseDouble(text.strip()) * 1e9 : Quantity.parse(text, "B/s");
    } catch (IllegalArgumentException e) {
      throw new UserError("--bandwidth: " + e.getMessage());
    }
  }

  private static long bytesOf(String text) {
    try {
      return Bytes.parse(text);
    } catch (IllegalArgumentException e) {
      throw new UserError("--memory: " + e.getMessage());
    }
  }

  /** Tokens of the context. */
  int contextTokens(ModelConfig c) {
    if (context != null) {
      return count("--context", context);
    }
    return prompt == null && generate == null ? usualContext(c) : workload(c).kvSlots();
  }

  private static int usualContext(ModelConfig c) {
    return Math.min(USUAL_CONTEXT, c.maxSeqLen());
  }

  /** Prompt and generated tokens: what is given, the rest from the context. */
  Workload workload(ModelConfig c) {
    count("--batch", batch);
    int room = context == null ? usualContext(c) : count("--context", context);
    int generated =
        generate != null
            ? count("--generate", generate)
            : prompt == null || context == null
                ? Math.min(USUAL_GENERATED, Math.max(1, room / 2))
                : Math.max(1, room - count("--prompt", prompt));
    int promptTokens = prompt != null ? count("--prompt", prompt) : Math.max(1, room - generated);
    return new Workload(batch, promptTokens, generated);
  }

  private static int count(String option, int value) {
    if (value < 1 || value > LARGEST_COUNT) {
      throw new UserError("%s %d: expected 1 to %d".formatted(option, value, LARGEST_COUNT));
    }
    return value;
  }

  /** The request for one precision on a kind of device. */
  InferenceRequest request(
      ModelConfig config,
      Precision p,
      DeviceKind kind,
      @Nullable Function<TensorSpec, DType> storedTypes) {
    Workload w = workload(config);
    SessionSize size =
        SessionSize.of(p, kind.activationType(p), w.batch(), contextTokens(config))
            .withPassTokens(Math.min(SessionSize.USUAL_PASS_TOKENS, w.promptTokens()));
    if (kvCache != null) {
      size = size.withKvCache(plainType("--kv-cache", kvCache));
    }
    long scratch = Scratch.bytes(kind, config, size, Runtime.getRuntime().availableProcessors());
    return new InferenceRequest(config, p, w, size, scratch, storedTypes);
  }

  /** The options that mean this device, as the user gave them. */
  List<String> deviceOptions(String deviceOption) {
    List<String> out = new ArrayList<>();
    if (gpuTable != null) {
      out.addAll(List.of("--gpu-table", gpuTable.toString()));
    }
    if (gpu != null) {
      out.addAll(List.of("--gpu", gpu));
    } else if (deviceOption.equals("cpu")) {
      out.addAll(List.of("--device", "cpu"));
    }
    if (peakTflops != null) {
      out.addAll(List.of("--peak-tflops", peakTflops.toString()));
    }
    if (bandwidth != null) {
      out.addAll(List.of("--bandwidth", bandwidth));
    }
    if (memory != null) {
      out.addAll(List.of("--memory", memory));
    }
    return out;
  }

  /** True when something about a device was given. */
  boolean saysSomethingOfADevice(String deviceOption) {
    return namesADevice(deviceOption) || bandwidth != null || memory != null;
  }

  /** The page's controls at the start. */
  Map<String, Object> controls(ModelConfig config) {
    Workload w = workload(config);
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("precision", precisions().getFirst().label());
    out.put("kv-cache", kvCache == null ? "own" : label(plainType("--kv-cache", kvCache)));
    out.put("batch", w.batch());
    out.put("context", contextTokens(config));
    out.put("prompt", w.promptTokens());
    out.put("generate", w.generatedTokens());
    return out;
  }

  /** What {@link #plainType} reads. */
  static String label(DType type) {
    return type == DType.F32 ? "fp32" : type == DType.F16 ? "fp16" : "bf16";
  }

  /** fp32, fp16 or bf16. */
  static DType plainType(String option, String name) {
    return switch (name.toLowerCase(Locale.ROOT)) {
      case "fp32", "f32" -> DType.F32;
      case "fp16", "f16" -> DType.F16;
      case "bf16" -> DType.BF16;
      default ->
          throw new UserError(
              "%s %s: expected one of %s"
                  .formatted(option, name, Arrays.asList("fp32", "fp16", "bf16")));
    };
  }
}
