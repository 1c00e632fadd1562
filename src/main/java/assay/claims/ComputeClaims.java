package assay.claims;

import static assay.claims.Finding.LEDGER;
import static assay.claims.Finding.MEASURE;
import static assay.claims.Finding.numbers;

import assay.calibrate.TrainingUtilization;
import assay.results.Experiment;
import assay.results.Measurement;
import assay.results.ResultRow;
import assay.results.Utilization;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** C1–C8: compute and time. */
final class ComputeClaims {
  private ComputeClaims() {}

  static Map<String, Examiner> examiners() {
    return Map.of(
        "C1",
        ComputeClaims::forward,
        "C2",
        e -> training(e, 0, 6, "6·N·D"),
        "C3",
        e -> training(e, 1, 8, "8·N·D"),
        "C4",
        ComputeClaims::time,
        "C5",
        ComputeClaims::utilisation,
        "C6",
        e -> peaks(),
        "C7",
        e ->
            Finding.reference(
                numbers("tokens_per_parameter", 20),
                "Hoffmann et al. 2022 (Training Compute-Optimal Large Language Models): testing it"
                    + " means training many models to the end"),
        "C8",
        ComputeClaims::pairs);
  }

  private static Finding forward(Evidence evidence) {
    Map<String, Object> measured = new LinkedHashMap<>();
    double[] prefill = {Double.POSITIVE_INFINITY, 0};
    double[] decode = {Double.POSITIVE_INFINITY, 0};
    for (ResultRow r : evidence.rows()) {
      Measurement m = r.measured();
      Long n = r.model().parameters();
      if (m == null || n == null) {
        continue;
      }
      String name = r.model().name() + "_" + r.workload().promptTokens() + "_tokens";
      if (m.prefillFlops() != null) {
        double tokens = (double) r.workload().batch() * r.workload().promptTokens();
        put(measured, name + "_prefill_ratio", m.prefillFlops() / (2.0 * n * tokens), prefill);
      }
      if (m.decodeFlopsPerToken() != null) {
        put(measured, name + "_decode_ratio", m.decodeFlopsPerToken() / (2.0 * n), decode);
      }
    }
    Map<String, Object> predicted = numbers("flops_per_parameter_and_token", 2, "ratio", 1);
    if (measured.isEmpty()) {
      return Finding.notMeasured(predicted, "Needs measured rows", "assay run");
    }
    double least = Math.min(prefill[0], decode[0]);
    double most = Math.max(prefill[1], decode[1]);
    return new Finding(
        least > 0.9 && most < 1.1 ? Verdict.WITHIN : Verdict.FAILS,
        predicted,
        measured,
        "Counted from the operations that ran, over 2·N per token: decode %.3f to %.3f, prefill %.3f to %.3f. The embedding's rows are looked up, not multiplied, and a prefill needs the head for its last token only (both lower it, most where the vocabulary is a large share of N); attention adds work that grows with the length"
            .formatted(decode[0], decode[1], prefill[0], prefill[1]),
        "assay run");
  }

  private static void put(Map<String, Object> to, String name, double ratio, double[] range) {
    to.put(name, ratio);
    range[0] = Math.min(range[0], ratio);
    range[1] = Math.max(range[1], ratio);
  }

  private static Finding training(
      Evidence evidence, double recompute, double factor, String formula) {
    Map<String, Object> predicted = numbers("flops_over_n_d", factor);
    Optional<Experiment> e = evidence.experiment(TrainingClaims.EXPERIMENT);
    Map<String, Object> measured = new LinkedHashMap<>();
    double least = Double.POSITIVE_INFINITY;
    double most = 0;
    if (e.isPresent()) {
      for (Experiment.Point p : e.get().points()) {
        Double flops = p.get("flops");
        Double n = p.get("parameters");
        if (flops != null && n != null && p.values().getOrDefault("recompute", 0.0) == recompute) {
          double tokens =
              p.values().getOrDefault("batch", 0.0) * p.values().getOrDefault("tokens", 0.0);
          double ratio = flops / (n * tokens);
          measured.put(p.label() + "_flops_over_n_d", ratio);
          least = Math.min(least, ratio / factor);
          most = Math.max(most, ratio / factor);
        }
      }
    }
    if (measured.isEmpty()) {
      return Finding.notMeasured(
          predicted, "Needs real training steps with counted FLOPs", MEASURE);
    }
    return new Finding(
        least > 0.9 && most < 1.1 ? Verdict.WITHIN : Verdict.FAILS,
        predicted,
        measured,
        "Counted FLOPs are %.3f to %.3f of %s on the steps measured: attention's products are not in it and grow with the length, nor are norms and the update; recomputation spares the head; %s"
            .formatted(least, most, formula, e.map(Experiment::setting).orElse("")),
        MEASURE);
  }

  /** The rule's middle, and what timed steps calibrate, each against the measured seconds. */
  private static Finding time(Evidence evidence) {
    Map<String, Object> predicted =
        numbers("seconds", "8·D·N / (peak · utilisation), utilisation 0.30 to 0.55");
    Optional<Experiment> e = evidence.experiment(TrainingClaims.EXPERIMENT);
    Double peak = e.map(x -> x.values().get("peak_flops_per_second")).orElse(null);
    List<TrainingUtilization.Step> steps =
        e.map(x -> TrainingUtilization.steps(List.of(x), y -> true)).orElse(List.of());
    TrainingUtilization fitted = TrainingUtilization.fit(steps);
    if (e.isEmpty() || peak == null || fitted == null) {
      return Finding.notMeasured(
          predicted, "Needs timed training steps and the device's measured peak", MEASURE);
    }
    Map<String, Object> measured = new LinkedHashMap<>();
    int inside = 0;
    int recomputed = 0;
    for (Experiment.Point p : e.get().points()) {
      double seconds = value(p, "seconds");
      double atPeak = 8 * value(p, "parameters") * value(p, "batch") * value(p, "tokens") / peak;
      if (p.values().getOrDefault("recompute", 0.0) == 1 && atPeak > 0 && seconds > 0) {
        double needed = atPeak / seconds;
        measured.put(p.label() + "_seconds", seconds);
        measured.put(p.label() + "_seconds_at_0.55", atPeak / 0.55);
        measured.put(p.label() + "_seconds_at_0.30", atPeak / 0.30);
        measured.put(p.label() + "_utilisation_that_fits", needed);
        inside += needed >= 0.30 && needed <= 0.55 ? 1 : 0;
        recomputed++;
      }
    }
    for (int i = 0; i < steps.size(); i++) {
      TrainingUtilization.Step s = steps.get(i);
      measured.put(
          s.label() + "_predicted_over_measured_before", s.flops() / (peak * 0.425) / s.seconds());
      if (steps.size() > 2) {
        measured.put(
            s.label() + "_predicted_over_measured_calibrated",
            TrainingUtilization.heldOutSeconds(steps, i) / s.seconds());
      }
    }
    return new Finding(
        recomputed > 0 && inside == recomputed ? Verdict.WITHIN : Verdict.FAILS,
        predicted,
        measured,
        "With recomputation the utilisation that makes the formula true lies inside the rule's band at %d of %d steps. With the counted FLOPs instead of 8·N·D and the utilisation calibrated, %s"
            .formatted(inside, recomputed, fitted.words()),
        MEASURE);
  }

  /** Inside the rule's band, of how many. */
  private static final class Band {
    private final Map<String, Object> measured;
    private int inside;
    private int all;

    Band(Map<String, Object> measured) {
      this.measured = measured;
    }

    void add(String name, @Nullable Double mfu) {
      if (mfu != null) {
        measured.put(name, mfu);
        all++;
        inside += Utilization.Verdict.of(mfu) == Utilization.Verdict.WITHIN ? 1 : 0;
      }
    }

    String words() {
      return "%d of %d".formatted(inside, all);
    }
  }

  private static Finding utilisation(Evidence evidence) {
    Map<String, Object> measured = new LinkedHashMap<>();
    Band training = new Band(measured);
    evidence.experiment(TrainingClaims.EXPERIMENT).ifPresent(e -> trainingSteps(e, training));
    Band prefill = new Band(measured);
    Band decode = new Band(measured);
    for (ResultRow r : evidence.rows()) {
      Utilization u = r.utilization();
      if (u != null) {
        String name = r.model().name() + "_" + r.precision() + "_" + r.workload().promptTokens();
        prefill.add(name + "_prefill_mfu", u.prefillMfu());
        decode.add(name + "_decode_mfu", u.decodeMfu());
      }
    }
    Map<String, Object> predicted = numbers("lowest", 0.30, "highest", 0.55);
    if (training.all == 0) {
      return new Finding(
          Verdict.NOT_MEASURED,
          predicted,
          measured,
          "The rule is about training end to end: needs timed training steps. Of inference, prefill lies inside at %s rows, decode at %s"
              .formatted(prefill.words(), decode.words()),
          MEASURE);
    }
    return new Finding(
        training.inside == training.all ? Verdict.HOLDS : Verdict.FAILS,
        predicted,
        measured,
        "The rule is about training end to end: %s training steps lie inside (model FLOP/s, work done again left out, over the largest fp32 product). Of inference, which it is not about, prefill lies inside at %s rows, decode at %s: decode at batch 1 is bound by bandwidth (see MBU), prefill by how good the matrix product is"
            .formatted(training.words(), prefill.words(), decode.words()),
        MEASURE);
  }

  private static void trainingSteps(Experiment e, Band band) {
    Double peak = e.values().get("peak_flops_per_second");
    for (Experiment.Point p : e.points()) {
      Double seconds = p.get("seconds");
      Double flops = p.get("model_flops");
      if (peak != null && seconds != null && flops != null) {
        band.add(p.label() + "_training_mfu", flops / seconds / peak);
      }
    }
  }

  /**
   * SMs · boost clock · dense FMA FLOPs per SM and clock of the tensor cores, from the vendors'
   * architecture papers.
   */
  private static Finding peaks() {
    double a100 = 108 * 1.410e9 * 2048;
    double a10 = 72 * 1.695e9 * 1024;
    boolean ok = Math.abs(a100 / 312e12 - 1) < 0.005 && Math.abs(a10 / 125e12 - 1) < 0.005;
    return new Finding(
        ok ? Verdict.HOLDS : Verdict.FAILS,
        numbers(
            "a100_80gb_pcie", 312e12, "a10", 125e12, "a800_80gb_pcie", 312e12, "unit", "FLOP/s"),
        numbers("a100_80gb_pcie", a100, "a10", a10, "a800_80gb_pcie", a100, "unit", "FLOP/s"),
        "SMs × clock × FLOPs per clock: 108 × 1.410 GHz × 2048 and 72 × 1.695 GHz × 1024. They are"
            + " boost-clock figures: the A10's 150 W hold its sustained clock far lower. What a"
            + " large product really reaches on this device: assay device",
        LEDGER);
  }

  private static Finding pairs(Evidence evidence) {
    Map<String, Object> predicted = numbers("exponent", 2);
    Optional<Experiment> e = evidence.experiment("C8");
    if (e.isEmpty() || e.get().points().size() < 2) {
      return Finding.notMeasured(predicted, "Needs attention timed over the length", MEASURE);
    }
    Experiment.Point first = e.get().points().getFirst();
    Experiment.Point last = e.get().points().getLast();
    double lengths = Math.log(value(last, "tokens") / value(first, "tokens"));
    double flops = Math.log(value(last, "flops") / value(first, "flops")) / lengths;
    double seconds = Math.log(value(last, "seconds") / value(first, "seconds")) / lengths;
    return new Finding(
        Math.abs(flops - 2) < 0.1 ? Verdict.HOLDS : Verdict.FAILS,
        predicted,
        numbers("flops_exponent", flops, "seconds_exponent", seconds),
        "Exponent of the power law through the shortest and the longest sequence: FLOPs %.2f, time %.2f; %s"
            .formatted(flops, seconds, e.get().setting()),
        MEASURE);
  }

  private static double value(Experiment.Point p, String name) {
    Double v = p.get(name);
    return v == null ? Double.NaN : v;
  }
}
