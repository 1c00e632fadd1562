package assay.measure.experiment;

import assay.engine.AttentionPath;
import assay.estimate.training.TrainingFlops;
import assay.measure.Statistics;
import assay.measure.TrainPrediction;
import assay.model.ModelConfig;
import assay.results.Environment;
import assay.results.Experiment;
import assay.results.ResultRow;
import assay.tensor.MemoryCategory;
import assay.train.FlopCount;
import assay.train.Ledger;
import assay.train.Phase;
import assay.train.Recomputation;
import assay.train.TrainingMeasurement;
import assay.train.TrainingOptions;
import assay.train.TrainingStep;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * One kind of training step in numbers, what the estimator says of it beside what was allocated.
 */
public final class TrainingPoint {
  /** The id of the experiment that {@code assay train --results} writes: one step each. */
  public static final String SINGLE = "train";

  private static final List<MemoryCategory> CATEGORIES =
      List.of(
          MemoryCategory.WEIGHTS,
          MemoryCategory.GRADIENTS,
          MemoryCategory.OPTIMIZER,
          MemoryCategory.ACTIVATIONS,
          MemoryCategory.WORKSPACE);

  private TrainingPoint() {}

  static Experiment.Point of(
      String label, ModelConfig c, TrainingOptions o, TrainingMeasurement m) {
    double seconds = Statistics.median(Arrays.stream(m.stepNs()).mapToObj(n -> n * 1e-9).toList());
    return new Experiment.Point(label, values(c, o, m.ledger(), m.flops(), seconds));
  }

  /**
   * A step that was run and timed elsewhere.
   *
   * @param flops of one step
   * @param peakFlopsPerSecond what a large fp32 product reaches on that machine
   */
  public static Experiment single(
      TrainingStep<?> step,
      FlopCount flops,
      double seconds,
      double peakFlopsPerSecond,
      Environment environment) {
    TrainingOptions o = step.options();
    String label = "%s_batch_%d_tokens_%d".formatted(step.config().name(), o.batch(), o.tokens());
    return new Experiment(
        ResultRow.SCHEMA,
        SINGLE,
        Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
        environment,
        "%s, %s, %s".formatted(step.config().name(), o.types(), o.optimizer()),
        Map.of("peak_flops_per_second", peakFlopsPerSecond),
        List.of(
            new Experiment.Point(label, values(step.config(), o, step.ledger(), flops, seconds))),
        "assay train");
  }

  private static Map<String, Double> values(
      ModelConfig c, TrainingOptions o, Ledger ledger, FlopCount flops, double seconds) {
    TrainPrediction predicted = TrainPrediction.of(c, o);
    Map<String, Double> out = new LinkedHashMap<>();
    out.put("batch", (double) o.batch());
    out.put("tokens", (double) o.tokens());
    out.put("recompute", o.recomputation() == Recomputation.FULL ? 1.0 : 0.0);
    out.put("stored_scores", o.attention() == AttentionPath.STORED ? 1.0 : 0.0);
    out.put("parameters", (double) c.parameters());
    out.put("trained_parameters", (double) TrainingFlops.trainedParameters(predicted.request()));
    out.put("layers", (double) c.nLayers());
    out.put("heads", (double) c.nHeads());
    out.put("hidden_size", (double) c.hiddenSize());
    out.put("element_bytes", (double) o.types().activations().bytes(1, 1));
    for (MemoryCategory category : CATEGORIES) {
      String name = category.name().toLowerCase(Locale.ROOT) + "_bytes";
      out.put(name, (double) ledger.bytes(category));
      if (predicted.bytes().containsKey(category)) {
        out.put("estimated_" + name, (double) predicted.bytes().get(category));
      }
    }
    out.put("layer_activations_bytes", (double) layerBytes(ledger));
    out.put("flops", (double) flops.total());
    out.put("estimated_flops", (double) predicted.flops().total());
    out.put("forward_flops", (double) flops.of(Phase.FORWARD));
    out.put("model_flops", (double) flops.of(Phase.FORWARD) + flops.of(Phase.BACKWARD));
    out.put("seconds", seconds);
    return out;
  }

  /** What the blocks keep, the logits and the final norm left out. */
  private static long layerBytes(Ledger ledger) {
    return ledger.entries().stream()
        .filter(e -> e.category() == MemoryCategory.ACTIVATIONS)
        .filter(e -> e.name().startsWith("block ") || e.name().startsWith("any block"))
        .mapToLong(Ledger.Entry::bytes)
        .sum();
  }
}
