package assay.claims;

import static assay.claims.Finding.MEASURE;
import static assay.claims.Finding.numbers;

import assay.results.Experiment;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * T1, T4–T6, T9: training. They rest on the experiment {@code training}: points of real training
 * steps with the numbers batch, tokens, parameters, layers, heads, hidden_size, element_bytes,
 * weights_bytes, gradients_bytes, optimizer_bytes, activations_bytes, of which
 * layer_activations_bytes, workspace_bytes, flops, forward_flops, seconds, recompute and
 * stored_scores (0 or 1); and, as values, bytes per token of each tensor that a block keeps.
 */
final class TrainingClaims {
  static final String EXPERIMENT = "training";
  private static final String NEEDED = "Needs real training steps with bytes by category";

  private static final String CHANGES =
      "Measured per layer, tensor by tensor (block_…_bytes_per_token), in elements a token: SwiGLU"
          + " keeps gate, up and their product, 3i instead of 2·4h; grouped queries keep 2·kv_heads"
          + " instead of 2·heads rows of K and V; without dropout no masks (bsh and a·b·s² bytes"
          + " less); tiled attention keeps one number a query and head instead of a·s scores; ";

  private TrainingClaims() {}

  static Map<String, Examiner> examiners() {
    return Map.of(
        "T1", TrainingClaims::adamAndActivations,
        "T4", TrainingClaims::activations,
        "T5", TrainingClaims::recomputation,
        "T6", TrainingClaims::batch,
        "T9", TrainingClaims::merging);
  }

  private static double number(Experiment.Point p, String name) {
    Double v = p.get(name);
    return v == null ? Double.NaN : v;
  }

  /** 1 where attention kept its scores. */
  private static double stored(Experiment.Point p) {
    return p.values().getOrDefault("stored_scores", 0.0);
  }

  private static double totalPerParameter(Experiment.Point p) {
    double sum = 0;
    for (String category :
        new String[] {"weights", "gradients", "optimizer", "activations", "workspace"}) {
      Double bytes = p.get(category + "_bytes");
      sum += bytes == null ? 0 : bytes;
    }
    return sum / number(p, "parameters");
  }

  /** Bytes per parameter of the first measured step, all categories together. */
  static OptionalDouble bytesPerParameter(Evidence evidence) {
    Optional<Experiment> e = evidence.experiment(EXPERIMENT);
    return e.isEmpty() || e.get().points().isEmpty()
        ? OptionalDouble.empty()
        : OptionalDouble.of(totalPerParameter(e.get().points().getFirst()));
  }

  private static Finding adamAndActivations(Evidence evidence) {
    Map<String, Object> predicted =
        numbers(
            "weights",
            4,
            "optimizer",
            8,
            "gradients",
            4,
            "activations_and_temporaries",
            8,
            "sum",
            24);
    Optional<Experiment> e = evidence.experiment(EXPERIMENT);
    if (e.isEmpty()) {
      return Finding.notMeasured(predicted, NEEDED, MEASURE);
    }
    Map<String, Object> measured = new LinkedHashMap<>();
    boolean fixed = true;
    double least = Double.POSITIVE_INFINITY;
    double most = 0;
    for (Experiment.Point p : e.get().points()) {
      double n = number(p, "parameters");
      double rest = (number(p, "activations_bytes") + number(p, "workspace_bytes")) / n;
      measured.put(p.label() + "_activations_and_temporaries", rest);
      fixed &=
          number(p, "weights_bytes") / n == 4
              && number(p, "gradients_bytes") / n == 4
              && number(p, "optimizer_bytes") / n == 8;
      least = Math.min(least, rest);
      most = Math.max(most, rest);
    }
    boolean eight = least >= 7.2 && most <= 8.8;
    return new Finding(
        fixed && eight ? Verdict.WITHIN : Verdict.FAILS,
        predicted,
        measured,
        (fixed
                ? "4 + 4 + 8 hold exactly; "
                : "weights, gradients and Adam's state differ from 4 + 4 + 8; ")
            + "activations and temporaries are no constant per parameter: %.2f to %.2f B over the batches tried; %s"
                .formatted(least, most, e.get().setting()),
        MEASURE);
  }

  /**
   * The bracket of S4 for these shapes: L·b·s·h·p·[16 + 2/p + (a·s/h)(2 + 1/p)] (Korthikanti et al.
   * 2022, eq. 2 for p = 2).
   */
  static double bracketBytes(double layers, double b, double s, double h, double a, double p) {
    return layers * b * s * h * p * (16 + 2 / p + a * s / h * (2 + 1 / p));
  }

  /** S4's expression left of the bracket, which leaves out the attention block's linear part. */
  static double middleBytes(double layers, double b, double s, double h, double a, double p) {
    double bsh = b * s * h;
    double abss = a * b * s * s;
    return layers * (9 * bsh * p + bsh + 2 * abss * p + abss + 2 * bsh * p);
  }

  private static Finding activations(Evidence evidence) {
    double bracket = bracketBytes(1, 1, 2048, 4096, 32, 2);
    double middle = middleBytes(1, 1, 2048, 4096, 32, 2);
    Map<String, Object> predicted =
        numbers(
            "bracket_bytes_per_layer_4096_2048", bracket,
            "middle_expression_bytes_per_layer_4096_2048", middle);
    String arithmetic =
        "The source's middle expression leaves out the attention block's linear part, 5bshp + bsh ("
            + "%.3g B a layer of this shape); the bracket is the right sum, with p = 2 it is 34·bsh + 5·a·b·s². It presumes dropout masks, a 4h GELU MLP and stored scores. "
                .formatted(bracket - middle);
    Optional<Experiment> e = evidence.experiment(EXPERIMENT);
    if (e.isEmpty()) {
      return Finding.notMeasured(predicted, arithmetic + NEEDED, MEASURE);
    }
    Map<String, Object> measured = new LinkedHashMap<>();
    double worst = 0;
    for (Experiment.Point p : e.get().points()) {
      if (number(p, "recompute") == 0) {
        double claimed =
            bracketBytes(
                number(p, "layers"),
                number(p, "batch"),
                number(p, "tokens"),
                number(p, "hidden_size"),
                number(p, "heads"),
                number(p, "element_bytes"));
        double ratio = number(p, "layer_activations_bytes") / claimed;
        measured.put(p.label() + "_measured_over_bracket", ratio);
        worst = Math.max(worst, Math.abs(ratio - 1));
      }
    }
    e.get()
        .values()
        .forEach(
            (name, value) -> {
              if (name.endsWith("_bytes_per_token")) {
                measured.put(name, value);
              }
            });
    return new Finding(
        worst < 0.1 ? Verdict.WITHIN : Verdict.FAILS,
        predicted,
        measured,
        arithmetic + CHANGES + e.get().setting(),
        MEASURE);
  }

  private static Finding recomputation(Evidence evidence) {
    Map<String, Object> predicted =
        numbers("activations", "almost all removed", "time_ratio", 4.0 / 3);
    Optional<Experiment> e = evidence.experiment(EXPERIMENT);
    if (e.isEmpty()) {
      return Finding.notMeasured(predicted, NEEDED + " with and without recomputation", MEASURE);
    }
    Map<String, Object> measured = new LinkedHashMap<>();
    double leastRemoved = 1;
    for (Experiment.Point without : e.get().points()) {
      for (Experiment.Point with : e.get().points()) {
        if (number(without, "recompute") == 0
            && number(with, "recompute") == 1
            && stored(without) == stored(with)
            && number(with, "batch") == number(without, "batch")
            && number(with, "tokens") == number(without, "tokens")) {
          double removed =
              1 - number(with, "activations_bytes") / number(without, "activations_bytes");
          measured.put(with.label() + "_removed", removed);
          measured.put(
              with.label() + "_flops_ratio", number(with, "flops") / number(without, "flops"));
          measured.put(
              with.label() + "_time_ratio", number(with, "seconds") / number(without, "seconds"));
          leastRemoved = Math.min(leastRemoved, removed);
        }
      }
    }
    if (measured.isEmpty()) {
      return Finding.notMeasured(predicted, NEEDED + " with and without recomputation", MEASURE);
    }
    selective(evidence, measured);
    return new Finding(
        leastRemoved >= 0.9 ? Verdict.HOLDS : leastRemoved >= 0.5 ? Verdict.WITHIN : Verdict.FAILS,
        predicted,
        measured,
        "At least %.0f %% of the activation bytes go; one layer's and the logits' remain, so the share grows with depth. Selective recomputation (stored scores alone) is shown beside; %s"
            .formatted(leastRemoved * 100, e.get().setting()),
        MEASURE);
  }

  private static void selective(Evidence evidence, Map<String, Object> measured) {
    Map<String, Experiment.Point> points = new LinkedHashMap<>();
    evidence
        .experiment("training-kinds")
        .ifPresent(e -> e.points().forEach(p -> points.put(p.label(), p)));
    Experiment.Point stored = points.get("stored_scores");
    Experiment.Point selective = points.get("stored_scores_selective");
    if (stored != null && selective != null) {
      measured.put(
          "selective_removed",
          1 - number(selective, "activations_bytes") / number(stored, "activations_bytes"));
      measured.put("selective_flops_ratio", number(selective, "flops") / number(stored, "flops"));
    }
  }

  private static Finding batch(Evidence evidence) {
    Map<String, Object> predicted = numbers("activations_bytes_per_sequence", "constant");
    Optional<Experiment> e = evidence.experiment(EXPERIMENT);
    if (e.isEmpty() || e.get().points().isEmpty()) {
      return Finding.notMeasured(predicted, NEEDED + " over the batch", MEASURE);
    }
    Map<String, Object> measured = new LinkedHashMap<>();
    double least = Double.POSITIVE_INFINITY;
    double most = 0;
    double tokens = number(e.get().points().getFirst(), "tokens");
    for (Experiment.Point p : e.get().points()) {
      if (number(p, "recompute") == 0 && stored(p) == 0 && number(p, "tokens") == tokens) {
        double perSequence = number(p, "activations_bytes") / number(p, "batch");
        double seconds = number(p, "seconds");
        double weights = number(p, "weights_bytes");
        measured.put(p.label() + "_activations_bytes_per_sequence", perSequence);
        measured.put(p.label() + "_flops_per_weight_byte", number(p, "flops") / weights);
        measured.put(p.label() + "_flops_per_second", number(p, "flops") / seconds);
        // Forward, both backward products, the update: every weight passes by at least four times.
        measured.put(p.label() + "_weight_bytes_per_second", 4 * weights / seconds);
        least = Math.min(least, perSequence);
        most = Math.max(most, perSequence);
      }
    }
    double spread = most / least - 1;
    return new Finding(
        spread < 0.001 ? Verdict.HOLDS : spread < 0.1 ? Verdict.WITHIN : Verdict.FAILS,
        predicted,
        measured,
        "Activation bytes per sequence agree within %.2f %% over the batches; a step of a larger batch does more FLOPs for each byte of weights and reads weights at a lower rate; %s"
            .formatted(spread * 100, e.get().setting()),
        MEASURE);
  }

  private static Finding merging(Evidence evidence) {
    Map<String, Object> predicted = numbers("relative_difference", 0, "extra_seconds_merged", 0);
    return evidence
        .experiment("T9")
        .map(
            e -> {
              double difference = e.values().getOrDefault("relative_difference", 1.0);
              return new Finding(
                  difference < 1e-5 ? Verdict.HOLDS : Verdict.FAILS,
                  predicted,
                  new LinkedHashMap<>(e.values()),
                  "Equal within fp32 rounding; merged it takes the bytes and the time of the plain"
                      + " matrix; "
                      + e.setting(),
                  MEASURE);
            })
        .orElseGet(
            () -> Finding.notMeasured(predicted, "Needs both products on a back end", MEASURE));
  }
}
