package assay.measure.experiment;

import assay.backend.Backend;
import assay.backend.TrainingOps;
import assay.checkpoint.RandomWeights;
import assay.engine.AttentionPath;
import assay.engine.Session;
import assay.engine.SessionOptions;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.results.Experiment;
import assay.tensor.MemoryCategory;
import assay.train.Ledger;
import assay.train.Recomputation;
import assay.train.TrainingMeasurement;
import assay.train.TrainingOptions;
import assay.train.TrainingStep;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.DoubleSupplier;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * Real training steps of one small shape: claims T1–T6, M3, C2–C5 by {@link #steps}, M4 by {@link
 * #againstInference}.
 */
public final class TrainingExperiments {
  /** The id of the experiment that several claims share. */
  public static final String STEPS = "training";

  private static final int WARM_UP = 2;
  private static final int MEASURED = 5;
  private static final long SEED = 1;
  private static final String BLOCK = "block 0 ";

  static final ModelConfig SHAPE =
      ModelConfig.builder("training", "llama")
          .size(4, 256, 704)
          .heads(8, 8, 32)
          .tokens(2048, 1024)
          .tied(true)
          .build();

  private static final String SHAPE_WORDS =
      "4 layers of 256, MLP 704 (SwiGLU), 8 heads, vocabulary 2,048 (tied), fp32, AdamW";

  private TrainingExperiments() {}

  /** One step to measure. */
  private record Step(int batch, int tokens, Recomputation recomputation, AttentionPath attention) {
    TrainingOptions options() {
      return TrainingOptions.of(batch, tokens).with(recomputation).with(attention);
    }

    boolean recomputes() {
      return recomputation == Recomputation.FULL;
    }

    boolean stores() {
      return attention == AttentionPath.STORED;
    }

    String label() {
      return "batch_%d_tokens_%d%s%s"
          .formatted(
              batch, tokens, recomputes() ? "_recomputed" : "", stores() ? "_stored_scores" : "");
    }
  }

  private static final List<Step> STEPS_TO_MEASURE =
      List.of(
          new Step(1, 128, Recomputation.NONE, AttentionPath.TILED),
          new Step(2, 128, Recomputation.NONE, AttentionPath.TILED),
          new Step(4, 128, Recomputation.NONE, AttentionPath.TILED),
          new Step(4, 128, Recomputation.FULL, AttentionPath.TILED),
          new Step(1, 512, Recomputation.NONE, AttentionPath.TILED),
          new Step(1, 512, Recomputation.FULL, AttentionPath.TILED),
          new Step(1, 512, Recomputation.NONE, AttentionPath.STORED));

  /**
   * Steps over batch, length, recomputation and stored scores: bytes by category, FLOPs, seconds.
   *
   * @param ops opens a device to train on; each step closes its own
   * @param peakFlopsPerSecond what a large fp32 product reaches there
   */
  public static <T> Function<Backend, Outcome> steps(
      Supplier<? extends TrainingOps<T>> ops, DoubleSupplier peakFlopsPerSecond) {
    return backend -> steps(ops, peakFlopsPerSecond, MEASURED);
  }

  static <T> Outcome steps(
      Supplier<? extends TrainingOps<T>> ops, DoubleSupplier peakFlopsPerSecond, int measured) {
    Map<String, Double> values = new LinkedHashMap<>();
    values.put("peak_flops_per_second", peakFlopsPerSecond.getAsDouble());
    List<Experiment.Point> points = new ArrayList<>();
    for (Step s : STEPS_TO_MEASURE) {
      TrainingMeasurement m =
          TrainingMeasurement.of(ops.get(), SHAPE, s.options(), WARM_UP, measured, SEED);
      points.add(TrainingPoint.of(s.label(), SHAPE, s.options(), m));
      if (s.stores()) {
        terms(s, m.ledger(), values);
      }
    }
    return new Outcome(SHAPE_WORDS + ", medians of %d steps".formatted(measured), values, points);
  }

  /** Bytes per token of each tensor that one block keeps. */
  private static void terms(Step s, Ledger ledger, Map<String, Double> values) {
    for (Ledger.Entry e : ledger.entries()) {
      if (e.category() == MemoryCategory.ACTIVATIONS && e.name().startsWith(BLOCK)) {
        String name = e.name().substring(BLOCK.length()).replaceAll("[ -]", "_");
        values.put("block_" + name + "_bytes_per_token", (double) e.bytes() / (s.batch * s.tokens));
      }
    }
  }

  /**
   * M4: an inference session and a training step of the same shape, all memory really allocated.
   *
   * @param ops opens a device to train on
   */
  public static <T> Function<Backend, Outcome> againstInference(
      Supplier<? extends TrainingOps<T>> ops) {
    return backend -> {
      List<Experiment.Point> points = new ArrayList<>();
      for (int[] bs : new int[][] {{1, 128}, {1, 1024}, {8, 512}}) {
        for (Recomputation r : new Recomputation[] {Recomputation.NONE, Recomputation.FULL}) {
          Step s = new Step(bs[0], bs[1], r, AttentionPath.TILED);
          points.add(point(s.label(), backend, ops.get(), s, bs[0], bs[1]));
        }
      }
      Step small = new Step(1, 128, Recomputation.NONE, AttentionPath.TILED);
      points.add(
          point(
              "serving_batch_16_tokens_1024_trained_with_batch_1_tokens_128",
              backend,
              ops.get(),
              small,
              16,
              1024));
      return new Outcome(
          SHAPE_WORDS + "; inference in fp32 with a full KV cache and passes of 128 tokens",
          Map.of(),
          points);
    };
  }

  private static <T> Experiment.Point point(
      String label, Backend backend, TrainingOps<T> ops, Step s, int batch, int slots) {
    long training;
    try (TrainingStep<T> step = TrainingStep.open(ops, SHAPE, s.options())) {
      training = step.ledger().totalBytes();
    }
    long inference = 0;
    try (RandomWeights weights = new RandomWeights(SHAPE, SEED);
        Session session =
            Session.open(
                backend,
                weights,
                SessionOptions.of(Precision.FP32, batch, slots).withMaxPassTokens(128))) {
      for (long bytes : session.memory().tensorBytes().values()) {
        inference += bytes;
      }
    }
    return new Experiment.Point(
        label, Map.of("inference_bytes", (double) inference, "training_bytes", (double) training));
  }
}
