package assay.cli;

import assay.checkpoint.LoraAdapter;
import assay.estimate.Constants;
import assay.estimate.Device;
import assay.estimate.Parallelism;
import assay.estimate.training.Lora;
import assay.estimate.training.Optimizer;
import assay.estimate.training.Recomputation;
import assay.estimate.training.TrainingRequest;
import assay.estimate.training.TrainingTypes;
import assay.estimate.training.Utilization;
import assay.model.AdapterShape;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.UserError;
import assay.units.Quantity;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What training is to be predicted. */
final class TrainingOptions {
  @Option(
      names = "--train",
      description = "Predict training too: --batch sequences of --context tokens a device.")
  private boolean train;

  @Option(
      names = "--optimizer",
      paramLabel = "NAME",
      defaultValue = "adamw",
      description = "adam, adamw, sgd or sgd-momentum. Default: adamw.")
  private String optimizer = "adamw";

  @Option(
      names = "--gradients",
      paramLabel = "TYPE",
      description = "Type of gradients: fp32, fp16 or bf16. Default: that of the weights.")
  private @Nullable String gradients;

  @Option(
      names = "--optimizer-type",
      paramLabel = "TYPE",
      defaultValue = "fp32",
      description = "Type of the optimiser's moments and master copy. Default: fp32.")
  private String optimizerType = "fp32";

  @Option(
      names = "--accumulate",
      paramLabel = "N",
      defaultValue = "1",
      description = "Micro-batches per step. Default: 1.")
  private int accumulate;

  @Option(
      names = "--recompute",
      paramLabel = "HOW",
      defaultValue = "none",
      description = "Activations to compute again: none, selective or full. Default: none.")
  private String recompute = "none";

  @Option(
      names = "--stored-scores",
      description = "Attention keeps its scores; without it, it is tiled.")
  private boolean storedScores;

  @Option(names = "--dropout", description = "Keep dropout masks.")
  private boolean dropout;

  @Option(
      names = "--lora",
      paramLabel = "RANK",
      description = "Train adapters of this rank beside frozen weights.")
  private @Nullable Integer loraRank;

  @Option(
      names = "--lora-alpha",
      paramLabel = "X",
      defaultValue = "32",
      description = "Scale of the adapters; costs nothing. Default: 32.")
  private double loraAlpha;

  @Option(
      names = "--lora-targets",
      paramLabel = "LIST",
      defaultValue = "all",
      description = "Which matrices: all, or some of q,k,v,o,gate,up,down. Default: all.")
  private String loraTargets = "all";

  @Option(
      names = "--qlora",
      paramLabel = "PRECISION",
      description = "Hold the frozen matrices of the blocks so (int4, int8); implies --lora 16.")
  private @Nullable String qlora;

  @Option(
      names = "--adapter",
      paramLabel = "FOLDER",
      description =
          "The adapters of this PEFT folder, unmerged; with --train or --qlora they are what is"
              + " trained, with their own ranks and targets instead of --lora.")
  private @Nullable Path adapter;

  private @Nullable AdapterShape shape;

  @Option(
      names = "--devices",
      paramLabel = "N",
      defaultValue = "1",
      description =
          "Devices: replicas for training; for inference they share the model. Default: 1.")
  int devices;

  @Option(
      names = "--zero",
      paramLabel = "STAGE",
      defaultValue = "0",
      description = "What replicas share out: 0 nothing (DDP), 1, 2, 3 (FSDP). Default: 0.")
  private int zero;

  @Option(
      names = "--tensor",
      paramLabel = "N",
      defaultValue = "1",
      description = "Of the devices, how many share each matrix. Default: 1.")
  private int tensor;

  @Option(
      names = "--pipeline",
      paramLabel = "N",
      defaultValue = "1",
      description = "Of the devices, how many each hold a run of layers. Default: 1.")
  private int pipeline;

  @Option(
      names = "--utilization",
      paramLabel = "SHARE",
      description =
          "Share of the peak that a step reaches, 0 to 1. Default: with --calibration what its"
              + " constants give, else the rule 0.30 to 0.55.")
  private @Nullable Double utilization;

  @Option(
      names = "--tokens",
      paramLabel = "D",
      description = "Tokens of the whole training, such as 300G.")
  private @Nullable String tokens;

  /** Whether training was asked for, by itself or by an adapter. */
  boolean asked() {
    return train || loraRank != null || qlora != null;
  }

  /** The adapters of the folder, read once; null where none is given. */
  @Nullable AdapterShape adapterShape(ModelConfig config) {
    if (adapter != null && shape == null) {
      if (loraRank != null || !loraTargets.equals("all")) {
        throw new UserError(
            "--adapter with --lora or --lora-targets: expected one of them; the folder has ranks"
                + " and targets of its own");
      }
      try (LoraAdapter opened = LoraAdapter.open(adapter, config)) {
        shape = opened.shape();
      }
    }
    return shape;
  }

  /** The option that means these adapters. */
  List<String> adapterOptions() {
    return adapter == null ? List.of() : List.of("--adapter", adapter.toString());
  }

  /** The request for one precision. */
  TrainingRequest request(ModelConfig config, Precision p, int batch, int sequence) {
    TrainingTypes types =
        TrainingTypes.of(p)
            .withOptimizer(EstimateOptions.plainType("--optimizer-type", optimizerType));
    if (gradients != null) {
      types = types.withGradients(EstimateOptions.plainType("--gradients", gradients));
    }
    return new TrainingRequest(
        config,
        types,
        Optimizer.of(optimizer),
        batch,
        accumulate,
        sequence,
        recomputation(),
        storedScores,
        dropout,
        lora(config),
        parallelism(),
        tokens == null ? null : Double.valueOf(tokensOf(tokens)));
  }

  private static double tokensOf(String text) {
    try {
      // B for a thousand million is what everybody says of tokens.
      return Quantity.parse(text.replaceAll("[bB]$", "G"), "");
    } catch (IllegalArgumentException e) {
      throw new UserError("--tokens: " + e.getMessage());
    }
  }

  private Recomputation recomputation() {
    return switch (recompute.toLowerCase(Locale.ROOT)) {
      case "none" -> Recomputation.NONE;
      case "selective" -> Recomputation.SELECTIVE;
      case "full" -> Recomputation.FULL;
      default ->
          throw new UserError(
              "--recompute %s: expected none, selective or full".formatted(recompute));
    };
  }

  private @Nullable Lora lora(ModelConfig config) {
    Precision frozen = qlora == null ? null : Precision.of(qlora);
    AdapterShape given = adapterShape(config);
    if (given != null) {
      return Lora.of(given, frozen);
    }
    if (loraRank == null && qlora == null) {
      return null;
    }
    int rank = loraRank == null ? 16 : loraRank;
    return new Lora(rank, loraAlpha, Lora.targetsOf(loraTargets), frozen);
  }

  private Parallelism parallelism() {
    int shared = Math.multiplyExact(Math.max(1, tensor), Math.max(1, pipeline));
    if (devices < 1 || devices % shared != 0) {
      throw new UserError(
          "--devices %d: expected a multiple of --tensor %d × --pipeline %d"
              .formatted(devices, tensor, pipeline));
    }
    return new Parallelism(devices / shared, zero, tensor, pipeline);
  }

  /** How the devices share a model at inference: as told, else tensor first. */
  Parallelism inferenceParallelism(ModelConfig c) {
    if (tensor * pipeline == devices) {
      return new Parallelism(1, 0, tensor, pipeline);
    }
    if (tensor != 1 || pipeline != 1) {
      throw new UserError(
          "--devices %d: expected --tensor %d × --pipeline %d, as at inference all share the model"
              .formatted(devices, tensor, pipeline));
    }
    Parallelism p = devices < 1 ? null : assay.estimate.Capacity.spread(c, devices);
    if (p == null) {
      throw new UserError(
          "%s cannot be shared by %d devices: neither its %d heads (%d of keys) nor its %d layers"
                  .formatted(c.name(), devices, c.nHeads(), c.nKvHeads(), c.nLayers())
              + " divide so");
    }
    return p;
  }

  /** The page's controls at the start. */
  Map<String, Object> controls(ModelConfig config) {
    Lora lora = lora(config);
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("devices", devices);
    out.put("train", asked());
    out.put("optimizer", Optimizer.of(optimizer).label());
    out.put(
        "optimizer-type",
        EstimateOptions.label(EstimateOptions.plainType("--optimizer-type", optimizerType)));
    out.put(
        "gradients",
        gradients == null
            ? "own"
            : EstimateOptions.label(EstimateOptions.plainType("--gradients", gradients)));
    out.put("recompute", recomputation().name().toLowerCase(Locale.ROOT));
    out.put("zero", String.valueOf(zero));
    out.put("accumulate", accumulate);
    out.put("tensor", tensor);
    out.put("pipeline", pipeline);
    out.put("lora", lora == null ? 0 : lora.rank());
    out.put("lora-alpha", loraAlpha);
    out.put("lora-targets", loraTargets);
    out.put("qlora", lora == null || lora.frozen() == null ? "none" : lora.frozen().label());
    out.put("stored-scores", storedScores);
    out.put("dropout", dropout);
    out.put("utilization", utilization == null ? 0 : 100 * utilization);
    out.put("tokens", tokens == null ? 0 : tokensOf(tokens) / 1e9);
    return out;
  }

  /** The utilisation to reckon with: as given, else calibrated, else the rule's. */
  Utilization utilization(TrainingRequest r, Device device, Constants constants) {
    return Utilization.of(utilization, r, device, constants);
  }
}
