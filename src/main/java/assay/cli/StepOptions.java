package assay.cli;

import assay.engine.AttentionPath;
import assay.estimate.training.Lora;
import assay.model.DType;
import assay.model.Precision;
import assay.model.UserError;
import assay.train.Adapters;
import assay.train.Optimizer;
import assay.train.Recomputation;
import assay.train.StepTypes;
import assay.train.TrainingOptions;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What kind of training step {@code assay train} runs; named as {@code estimate --train} does. */
final class StepOptions {
  @Option(
      names = "--precision",
      paramLabel = "PRECISION",
      defaultValue = "fp32",
      description =
          "fp32, or bf16 or fp16: weights and activations so, fp32 master copy. Default: fp32.")
  private String precision = "fp32";

  @Option(
      names = "--gradients",
      paramLabel = "TYPE",
      description = "Type of gradients: fp32, fp16 or bf16. Default: that of the weights.")
  private @Nullable String gradients;

  @Option(
      names = "--optimizer",
      paramLabel = "NAME",
      defaultValue = "adamw",
      description = "adam, adamw, sgd or sgd-momentum. Default: adamw.")
  private String optimizer = "adamw";

  @Option(
      names = "--recompute",
      paramLabel = "HOW",
      arity = "0..1",
      defaultValue = "none",
      fallbackValue = "full",
      description =
          "Activations to compute again: none, selective (attention's stored scores) or full;"
              + " without a word full. Default: none.")
  private String recompute = "none";

  @Option(
      names = "--stored-scores",
      description = "Attention keeps its scores; without it, it is tiled.")
  private boolean storedScores;

  @Option(
      names = "--lora",
      paramLabel = "RANK",
      description = "Train adapters of this rank beside frozen weights, which are random ones.")
  private @Nullable Integer rank;

  @Option(
      names = "--lora-alpha",
      paramLabel = "X",
      defaultValue = "32",
      description = "Scale of the adapters. Default: 32.")
  private double alpha;

  @Option(
      names = "--lora-targets",
      paramLabel = "LIST",
      defaultValue = "all",
      description = "Which matrices: all, or some of q,k,v,o,gate,up,down. Default: all.")
  private String targets = "all";

  @Option(
      names = "--qlora",
      paramLabel = "PRECISION",
      description = "Hold the frozen matrices of the blocks so (int4, int8); implies --lora 16.")
  private @Nullable String qlora;

  /** Whether adapters are trained. */
  boolean adapters() {
    return rank != null || qlora != null;
  }

  /** The step for a batch. */
  TrainingOptions step(int batch, int tokens) {
    TrainingOptions o =
        TrainingOptions.of(batch, tokens)
            .with(recomputation())
            .with(storedScores ? AttentionPath.STORED : AttentionPath.TILED)
            .with(types())
            .with(named(Optimizer.class, "--optimizer", optimizer));
    return adapters()
        ? o.with(new Adapters(rank == null ? 16 : rank, alpha, Lora.targetsOf(targets)))
        : o;
  }

  private Recomputation recomputation() {
    return named(Recomputation.class, "--recompute", recompute);
  }

  private StepTypes types() {
    StepTypes types = StepTypes.of(EstimateOptions.plainType("--precision", precision));
    if (gradients != null) {
      types = types.withGradients(EstimateOptions.plainType("--gradients", gradients));
    }
    if (qlora == null) {
      return types;
    }
    DType frozen = Precision.of(qlora).weightType();
    if (!frozen.isBlocked()) {
      throw new UserError("--qlora %s: expected int4 or int8".formatted(qlora));
    }
    return types.withFrozen(frozen);
  }

  private static <E extends Enum<E>> E named(Class<E> kind, String option, String word) {
    StringBuilder names = new StringBuilder();
    for (E e : kind.getEnumConstants()) {
      String name = e.name().toLowerCase(Locale.ROOT).replace('_', '-');
      if (name.equals(word.toLowerCase(Locale.ROOT))) {
        return e;
      }
      names.append(names.isEmpty() ? "" : ", ").append(name);
    }
    throw new UserError("%s %s: expected one of %s".formatted(option, word, names));
  }
}
