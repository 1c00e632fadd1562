package assay.measure.experiment;

import assay.backend.Backend;
import assay.engine.Session;
import assay.engine.SessionOptions;
import assay.engine.quantize.GptqWeights;
import assay.engine.quantize.InputMoments;
import assay.measure.Progress;
import assay.measure.StopSignal;
import assay.measure.compare.PrecisionComparison;
import assay.measure.compare.PrecisionComparison.Variant;
import assay.measure.inspect.WeightScan;
import assay.model.DType;
import assay.model.Precision;
import assay.model.TensorSpec;
import assay.model.WeightLayout;
import assay.model.WeightSource;
import assay.results.Comparison;
import assay.results.Environment;
import assay.results.Experiment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** I9 and I10: what pruning and layer-wise rounding do to a trained checkpoint. */
public final class CheckpointExperiments {
  private static final int WINDOW = 128;
  private static final double[] PRUNED = {0.1, 0.3, 0.5};

  private final WeightSource weights;
  private final int[] judged;
  private final int[] calibration;
  private final String words;
  private final Environment environment;

  /**
   * On one checkpoint.
   *
   * @param ids a text that the checkpoint knows; its second half is what layer-wise rounding looks
   *     at, the first is judged
   * @param words what it is
   */
  public CheckpointExperiments(
      WeightSource weights, int[] ids, String words, Environment environment) {
    this.weights = weights;
    this.judged = Arrays.copyOfRange(ids, 0, ids.length / 2);
    this.calibration = Arrays.copyOfRange(ids, ids.length / 2, ids.length);
    this.words = words;
    this.environment = environment;
  }

  /** I9: zeros, weights near zero, and the logits when the smallest are dropped. */
  public Outcome pruning(Backend device) {
    long zeros = 0;
    long near = 0;
    Map<String, long[]> byLayer = new LinkedHashMap<>();
    for (TensorSpec t : WeightLayout.of(weights.config())) {
      WeightScan.Values v = WeightScan.of(weights, t);
      zeros += v.zeros();
      near += v.nearZero();
      String layer = t.layer() < 0 ? "outside_layers" : "layer_" + t.layer();
      long[] sums = byLayer.computeIfAbsent(layer, k -> new long[3]);
      sums[0] += t.elements();
      sums[1] += v.zeros();
      sums[2] += v.nearZero();
    }
    Map<String, Double> values = new LinkedHashMap<>();
    double n = weights.config().parameters();
    values.put("exact_zero_fraction", zeros / n);
    values.put("near_zero_fraction", near / n);
    List<Experiment.Point> points = new ArrayList<>();
    byLayer.forEach(
        (layer, s) ->
            points.add(
                new Experiment.Point(
                    layer,
                    Map.of(
                        "exact_zero_fraction",
                        (double) s[1] / s[0],
                        "near_zero_fraction",
                        (double) s[2] / s[0]))));
    List<Variant> variants = new ArrayList<>();
    for (double share : PRUNED) {
      String label = String.format(Locale.ROOT, "pruned_%.0f_percent", share * 100);
      variants.add(new Variant(label, Precision.FP32, null, share, null));
    }
    points.addAll(compared(device, variants));
    return new Outcome(
        "%s; near zero is below %s of a tensor's root mean square"
            .formatted(words, WeightScan.NEAR),
        values,
        points);
  }

  /** I10: squared error of the layers' outputs, layer-wise over plain rounding; and the logits. */
  public Outcome layerwise(Backend device) {
    Map<String, Double> values = new LinkedHashMap<>();
    values.put("error_gptq_over_rounding", errorRatio(device, Precision.INT4.weightType()));
    values.put("int8_error_gptq_over_rounding", errorRatio(device, Precision.INT8.weightType()));
    List<Experiment.Point> points =
        compared(
            device,
            List.of(
                new Variant("int4_rounded", Precision.INT4, null, 0, null),
                new Variant("int4_gptq", Precision.INT4, calibration, 0, null)));
    return new Outcome(
        words + "; int4 blocks (Q4_0), calibrated on other stories than are judged",
        values,
        points);
  }

  private double errorRatio(Backend device, DType type) {
    try (Session session =
        Session.open(device, weights, SessionOptions.of(Precision.FP32, 1, WINDOW))) {
      InputMoments moments = new InputMoments(session);
      for (int first = 0; first < calibration.length; first += WINDOW) {
        session.start(
            new int[][] {
              Arrays.copyOfRange(calibration, first, Math.min(calibration.length, first + WINDOW))
            });
        session.observePrefill(moments);
      }
      try (GptqWeights rounded = new GptqWeights(weights, type, moments, share -> {})) {
        return rounded.errorOverPlainRounding();
      }
    }
  }

  private List<Experiment.Point> compared(Backend device, List<Variant> variants) {
    List<Experiment.Point> points = new ArrayList<>();
    PrecisionComparison comparison =
        new PrecisionComparison(
            device,
            environment,
            new PrecisionComparison.Setting(judged, WINDOW, WINDOW / 2, false, ""),
            StopSignal.NEVER,
            Progress.SILENT);
    comparison.run(weights, Precision.FP32, variants, c -> points.add(point(c)));
    return points;
  }

  private static Experiment.Point point(Comparison c) {
    Map<String, Double> values = new LinkedHashMap<>();
    values.put("kl_mean_nats", c.klMeanNats());
    values.put("top1_agreement", c.top1Agreement());
    if (c.perplexity() != null) {
      values.put("perplexity", c.perplexity());
    }
    return new Experiment.Point(c.variant(), values);
  }
}
