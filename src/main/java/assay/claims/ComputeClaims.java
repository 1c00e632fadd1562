package assay.claims;

import static assay.claims.Finding.LEDGER;
import static assay.claims.Finding.MEASURE;
import static assay.claims.Finding.numbers;

import assay.results.Experiment;
import assay.results.Measurement;
import assay.results.ResultRow;
import assay.results.Utilization;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

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
    double least = Double.POSITIVE_INFINITY;
    double most = 0;
    for (ResultRow r : evidence.rows()) {
      Measurement m = r.measured();
      Long n = r.model().parameters();
      if (m != null && m.prefillFlops() != null && n != null) {
        double tokens = (double) r.workload().batch() * r.workload().promptTokens();
        double ratio = m.prefillFlops() / (2.0 * n * tokens);
        measured.put(r.model().name() + "_" + r.workload().promptTokens() + "_tokens_ratio", ratio);
        least = Math.min(least, ratio);
        most = Math.max(most, ratio);
      }
    }
    Map<String, Object> predicted = numbers("flops_per_parameter_and_token", 2, "ratio", 1);
    if (measured.isEmpty()) {
      return Finding.notMeasured(predicted, "Needs measured rows", "assay run");
    }
    boolean within = least > 0.9 && most < 1.1;
    return new Finding(
        within ? Verdict.WITHIN : Verdict.FAILS,
        predicted,
        measured,
        "Counted from the operations that ran, over 2·N·tokens: %.3f to %.3f. The embedding's rows are looked up, not multiplied, and a prefill needs the head for its last token only (both lower it); attention adds work that grows with the length"
            .formatted(least, most),
        "assay run");
  }

  private static Finding training(
      Evidence evidence, double recompute, double factor, String formula) {
    Map<String, Object> predicted = numbers("flops_over_n_d", factor);
    Optional<Experiment> e = evidence.experiment(TrainingClaims.EXPERIMENT);
    Map<String, Object> measured = new LinkedHashMap<>();
    double worst = 0;
    if (e.isPresent()) {
      for (Experiment.Point p : e.get().points()) {
        Double flops = p.get("flops");
        Double n = p.get("parameters");
        if (flops != null && n != null && p.values().getOrDefault("recompute", 0.0) == recompute) {
          double tokens =
              p.values().getOrDefault("batch", 0.0) * p.values().getOrDefault("tokens", 0.0);
          double ratio = flops / (n * tokens);
          measured.put(p.label() + "_flops_over_n_d", ratio);
          worst = Math.max(worst, Math.abs(ratio / factor - 1));
        }
      }
    }
    if (measured.isEmpty()) {
      return Finding.notMeasured(
          predicted, "Needs real training steps with counted FLOPs", MEASURE);
    }
    return new Finding(
        worst < 0.1 ? Verdict.WITHIN : Verdict.FAILS,
        predicted,
        measured,
        "%s is off by up to %.1f %% on the steps measured; attention is not in it, tied embeddings are multiplied once; %s"
            .formatted(formula, worst * 100, e.map(Experiment::setting).orElse("")),
        MEASURE);
  }

  private static Finding time(Evidence evidence) {
    Map<String, Object> predicted =
        numbers("seconds", "8·D·N / (peak · utilisation), utilisation 0.30 to 0.55");
    Optional<Experiment> e = evidence.experiment(TrainingClaims.EXPERIMENT);
    Map<String, Object> measured = new LinkedHashMap<>();
    int inside = 0;
    int all = 0;
    if (e.isPresent()) {
      Double peak = e.get().values().get("peak_flops_per_second");
      for (Experiment.Point p : e.get().points()) {
        Double seconds = p.get("seconds");
        Double n = p.get("parameters");
        if (peak != null
            && seconds != null
            && n != null
            && p.values().getOrDefault("recompute", 0.0) == 1) {
          double tokens =
              p.values().getOrDefault("batch", 0.0) * p.values().getOrDefault("tokens", 0.0);
          double needed = 8 * n * tokens / peak / seconds;
          measured.put(p.label() + "_utilisation_that_fits", needed);
          inside += needed >= 0.30 && needed <= 0.55 ? 1 : 0;
          all++;
        }
      }
    }
    if (all == 0) {
      return Finding.notMeasured(
          predicted, "Needs timed training steps and the device's measured peak", MEASURE);
    }
    return new Finding(
        inside == all ? Verdict.WITHIN : Verdict.FAILS,
        predicted,
        measured,
        "The utilisation that makes the formula true lies inside the rule's band at %d of %d steps; for inference see the predicted and measured times of the report"
            .formatted(inside, all),
        MEASURE);
  }

  private static Finding utilisation(Evidence evidence) {
    Map<String, Object> measured = new LinkedHashMap<>();
    int prefillInside = 0;
    int prefill = 0;
    int decodeInside = 0;
    int decode = 0;
    for (ResultRow r : evidence.rows()) {
      Utilization u = r.utilization();
      if (u == null) {
        continue;
      }
      String name = r.model().name() + "_" + r.precision() + "_" + r.workload().promptTokens();
      if (u.prefillMfu() != null) {
        measured.put(name + "_prefill_mfu", u.prefillMfu());
        prefill++;
        prefillInside += u.prefillVerdict() == Utilization.Verdict.WITHIN ? 1 : 0;
      }
      if (u.decodeMfu() != null) {
        measured.put(name + "_decode_mfu", u.decodeMfu());
        decode++;
        decodeInside += u.decodeVerdict() == Utilization.Verdict.WITHIN ? 1 : 0;
      }
    }
    Map<String, Object> predicted = numbers("lowest", 0.30, "highest", 0.55);
    if (prefill + decode == 0) {
      return Finding.notMeasured(predicted, "Needs measured rows", "assay run");
    }
    boolean holds = prefillInside == prefill && decodeInside == decode;
    return new Finding(
        holds ? Verdict.HOLDS : Verdict.FAILS,
        predicted,
        measured,
        "The rule is about training end to end. Of inference, prefill lies inside at %d of %d rows, decode at %d of %d: decode at batch 1 is bound by bandwidth (see MBU), and prefill by how good the matrix product is. Training: see C4"
            .formatted(prefillInside, prefill, decodeInside, decode),
        "assay run");
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
