package assay.report;

import assay.calibrate.Calibration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** The sections of a report, whatever it is written as. Sections without anything are left out. */
final class Report {
  private Report() {}

  static List<Section> sections(ReportInput in) {
    ResultTables t = new ResultTables(in);
    List<Section> all = new ArrayList<>();
    all.add(
        new Section(
            "memory",
            "Memory: predicted and measured",
            "Bytes by category as they were really allocated. The upper bar of a pair is predicted,"
                + " the lower measured; the residual is the category that differs most.",
            List.of("memory-bars"),
            List.of(t.memory(), t.categories())));
    all.add(
        new Section(
            "time",
            "Time: predicted and measured",
            "Above the line 1 a prediction is too slow, below it too fast. Hollow marks use default"
                + " constants, filled ones a calibration"
                + (in.calibration() == null
                    ? "."
                    : ", which was fitted to some of these rows: how far it can be trusted"
                        + " elsewhere stands under Calibration."),
            List.of("time-bars", "prefill-error", "decode-error"),
            List.of(t.times())));
    all.add(
        new Section(
            "roofline",
            "Roofline",
            "Achieved FLOP/s over FLOPs per byte of weights and KV cache, under the ceilings that"
                + " the same run measured (Williams, Waterman, Patterson 2009). A decode above the"
                + " slanted line read its weights from a cache.",
            List.of("roofline-plot"),
            List.of()));
    all.add(
        new Section(
            "utilisation",
            "Utilisation",
            "MFU is counted FLOP/s over the peak of the precision's own arithmetic, MBU weights and"
                + " KV cache read per second over the memory's rate. The rule 0.30–0.55 (claim C5)"
                + " speaks of training; prefill and decode stand apart.",
            List.of("utilisation-plot"),
            List.of()));
    all.add(
        new Section(
            "speed",
            "Speed over batch and context",
            "Medians; the thin lines reach from the slowest to the fastest run.",
            List.of("prefill-speed", "decode-batch", "decode-context"),
            List.of()));
    all.add(
        new Section(
            "work",
            "Work",
            "Counts are integers: they agree or they do not.",
            List.of(),
            List.of(t.work())));
    if (!in.comparisons().isEmpty()) {
      all.add(quality(in));
    }
    Calibration k = in.calibration();
    if (k != null) {
      String open =
          k.open().isEmpty()
              ? ""
              : " These rows do not determine " + String.join(", ", k.open()) + ".";
      String left = k.notes().isEmpty() ? "" : " " + String.join(". ", k.notes()) + ".";
      all.add(
          new Section(
              "calibration",
              "Calibration",
              "How far the fitted constants can be trusted, on results that were not fitted."
                  + open
                  + left,
              List.of("calibration-plot"),
              List.of(OtherTables.heldOut(k), OtherTables.constants(k), OtherTables.notes(k))));
    }
    if (!in.claims().isEmpty()) {
      all.add(
          new Section(
              "ledger",
              "The ledger of claims",
              verdicts(in),
              List.of(),
              List.of(OtherTables.ledger(in.claims()))));
    }
    all.add(
        new Section(
            "provenance",
            "How each row came about",
            "Every measured number above links to its row here.",
            List.of(),
            List.of(t.provenance())));
    boolean measured = in.rows().stream().anyMatch(r -> r.measured() != null);
    all.removeIf(s -> s.tables().isEmpty() ? !measured : !s.hasLines());
    return all;
  }

  /** Also the one plot and the one table of {@code compare}. */
  private static Section quality(ReportInput in) {
    var any = in.comparisons().getFirst();
    return new Section(
        "precisions",
        "Precision against error and bytes",
        ("Kullback–Leibler divergence of the next token's distribution from the reference's, over"
                + " bytes of weights. %d tokens in windows of %d, stride %d.")
            .formatted(any.tokens(), any.windowTokens(), any.strideTokens()),
        List.of("quality-plot"),
        List.of(OtherTables.quality(in.comparisons())));
  }

  private static String verdicts(ReportInput in) {
    Map<String, Long> counts =
        in.claims().stream()
            .collect(
                Collectors.groupingBy(
                    ReportInput.ClaimLine::verdict, TreeMap::new, Collectors.counting()));
    return counts.entrySet().stream()
            .map(e -> e.getValue() + " " + e.getKey())
            .collect(Collectors.joining(", "))
        + ".";
  }
}
