package assay.claims;

import static assay.claims.Finding.LEDGER;
import static assay.claims.Finding.MEASURE;
import static assay.claims.Finding.numbers;

import assay.results.Experiment;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.ToDoubleFunction;

/** I1–I11: behaviour at inference. */
final class InferenceClaims {
  private InferenceClaims() {}

  static Map<String, Examiner> examiners() {
    Map<String, Examiner> out = new LinkedHashMap<>();
    out.put("I1", e -> softmaxExample());
    out.put(
        "I2",
        e ->
            exact(
                e,
                "I2",
                "wrong_elements",
                0,
                numbers("fully_masked_row", "zeros, not NaN"),
                "Causal, padding, window and arbitrary masks against a hand-made softmax; the fully"
                    + " masked row gave zeros"));
    out.put("I3", e -> temperature());
    out.put("I4", InferenceClaims::sets);
    out.put("I5", InferenceClaims::pipeline);
    out.put(
        "I6",
        e ->
            exact(
                e,
                "I6",
                "changed_earlier_logits",
                0,
                numbers("changed_earlier_logits", 0),
                "A later token was changed; logits of earlier positions were compared bit by bit"));
    out.put(
        "I7",
        e ->
            small(
                e,
                "I7",
                "relative_difference",
                1e-6,
                "Logits of a Baichuan 2 shape before and after the conversion"));
    out.put(
        "I8",
        e ->
            small(
                e,
                "I8",
                "largest_error_ulps",
                64,
                "Each activation on the device against its closed form in fp64, in units of fp32's"
                    + " last place of the larger of 1 and the value"));
    out.put("I9", InferenceClaims::pruning);
    out.put("I10", InferenceClaims::layerwise);
    out.put(
        "I11",
        e ->
            Finding.reference(
                numbers(),
                "Needs two real checkpoints of one family: assay compare MODEL --against OTHER"));
    return out;
  }

  private static Finding softmaxExample() {
    double[] q = {-0.2, 1.4, 0.4};
    double[][] keys = {{0.6, -0.1, 1.7}, {0.9, 1.3, 1.7}, {-0.9, 0.1, 1.6}};
    double[] scores = new double[3];
    double sum = 0;
    for (int i = 0; i < 3; i++) {
      for (int j = 0; j < 3; j++) {
        scores[i] += q[j] * keys[i][j];
      }
      sum += Math.exp(scores[i]);
    }
    double[] p = new double[3];
    for (int i = 0; i < 3; i++) {
      p[i] = Math.exp(scores[i]) / sum;
    }
    double[] claimedScores = {0.42, 2.32, 0.96};
    double[] claimed = {0.05, 0.8, 0.15};
    boolean scoresHold = true;
    boolean softmaxHolds = true;
    for (int i = 0; i < 3; i++) {
      scoresHold &= Math.abs(scores[i] - claimedScores[i]) < 0.005;
      softmaxHolds &= Math.abs(p[i] - claimed[i]) < 0.005;
    }
    return new Finding(
        scoresHold && softmaxHolds ? Verdict.HOLDS : Verdict.FAILS,
        numbers("scores", claimedScores, "softmax", claimed),
        numbers("scores", scores, "softmax", p),
        "The scores hold; their softmax is %.3f, %.3f, %.3f, not 0.05, 0.8, 0.15"
            .formatted(p[0], p[1], p[2]),
        LEDGER);
  }

  private static Finding temperature() {
    double[] logits = {2, 1, 0.5, 0, -1, -3};
    double sharp = entropy(logits, 0.5);
    double plain = entropy(logits, 1);
    double flat = entropy(logits, 2);
    return new Finding(
        sharp < plain && plain < flat ? Verdict.HOLDS : Verdict.FAILS,
        numbers("entropy", "grows with T"),
        numbers("entropy_nats_t0.5", sharp, "entropy_nats_t1", plain, "entropy_nats_t2", flat),
        "Entropy of softmax(x/T) over six logits; its derivative is the variance of x/T over T,"
            + " never negative",
        LEDGER);
  }

  private static double entropy(double[] logits, double t) {
    double sum = 0;
    for (double x : logits) {
      sum += Math.exp(x / t);
    }
    double h = 0;
    for (double x : logits) {
      double p = Math.exp(x / t) / sum;
      h -= p * Math.log(p);
    }
    return h;
  }

  private static Finding sets(Evidence evidence) {
    return exact(
        evidence,
        "I4",
        "wrong_sets",
        0,
        numbers("wrong_sets", 0),
        "Sets kept by the device's sampler, ties included, against sorting and adding up");
  }

  private static Finding pipeline(Evidence evidence) {
    Map<String, Object> predicted = numbers("chi_square_below", "critical value at 0.001");
    return evidence
        .experiment("I5")
        .map(
            e -> {
              double chi = e.values().getOrDefault("chi_square", Double.POSITIVE_INFINITY);
              double critical = e.values().getOrDefault("critical_value", 0.0);
              return new Finding(
                  chi <= critical ? Verdict.HOLDS : Verdict.FAILS,
                  predicted,
                  new LinkedHashMap<>(e.values()),
                  "Drawn frequencies against the exact distribution; " + e.setting(),
                  MEASURE);
            })
        .orElseGet(() -> Finding.notMeasured(predicted, "Needs draws on a device", MEASURE));
  }

  private static Finding exact(
      Evidence evidence,
      String id,
      String name,
      double wanted,
      Map<String, Object> predicted,
      String why) {
    return judged(
        evidence, id, predicted, why, e -> e.values().getOrDefault(name, Double.NaN), wanted, 0);
  }

  private static Finding small(
      Evidence evidence, String id, String name, double limit, String why) {
    return judged(
        evidence,
        id,
        numbers(name, 0, "tolerance", limit),
        why,
        e -> e.values().getOrDefault(name, Double.NaN),
        0,
        limit);
  }

  private static Finding judged(
      Evidence evidence,
      String id,
      Map<String, Object> predicted,
      String why,
      ToDoubleFunction<Experiment> value,
      double wanted,
      double tolerance) {
    Optional<Experiment> e = evidence.experiment(id);
    if (e.isEmpty()) {
      return Finding.notMeasured(predicted, "Needs a device: " + why, MEASURE);
    }
    boolean ok = Math.abs(value.applyAsDouble(e.get()) - wanted) <= tolerance;
    return new Finding(
        ok ? Verdict.HOLDS : Verdict.FAILS,
        predicted,
        new LinkedHashMap<>(e.get().values()),
        why + "; " + e.get().setting(),
        MEASURE);
  }

  private static Finding pruning(Evidence evidence) {
    Map<String, Object> predicted = numbers("exact_zeros", "few");
    return evidence
        .experiment("I9")
        .map(
            e ->
                new Finding(
                    e.values().getOrDefault("exact_zero_fraction", 1.0) < 0.01
                        ? Verdict.HOLDS
                        : Verdict.FAILS,
                    predicted,
                    valuesOf(e),
                    "Exact zeros, weights near zero, and what dropping the smallest does to the"
                        + " logits; "
                        + e.setting(),
                    MEASURE))
        .orElseGet(() -> Finding.notMeasured(predicted, "Needs a trained checkpoint", MEASURE));
  }

  private static Finding layerwise(Evidence evidence) {
    Map<String, Object> predicted = numbers("error_gptq_over_rounding", "below 1");
    return evidence
        .experiment("I10")
        .map(
            e ->
                new Finding(
                    e.values().getOrDefault("error_gptq_over_rounding", 2.0) < 1
                        ? Verdict.HOLDS
                        : Verdict.FAILS,
                    predicted,
                    valuesOf(e),
                    "Error of the layers' outputs at the same bits and bytes; " + e.setting(),
                    MEASURE))
        .orElseGet(
            () ->
                Finding.notMeasured(
                    predicted,
                    "Needs a layer-wise quantisation (GPTQ) of a trained checkpoint",
                    "assay compare MODEL --gptq"));
  }

  private static Map<String, Object> valuesOf(Experiment e) {
    Map<String, Object> out = new LinkedHashMap<>(e.values());
    for (Experiment.Point p : e.points()) {
      p.values().forEach((name, value) -> out.put(p.label() + "_" + name, value));
    }
    return out;
  }
}
