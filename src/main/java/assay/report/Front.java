package assay.report;

import assay.results.Measurement;
import assay.results.Prediction;
import assay.results.ResultRow;
import assay.results.Times;
import assay.results.Utilization;
import assay.units.Bytes;
import assay.units.Quantity;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;

/** The verdicts in one screen. */
final class Front {
  /**
   * One verdict.
   *
   * @param topic what about
   * @param verdict a number or a word
   * @param detail what it rests on
   */
  record Verdict(String topic, String verdict, String detail) {}

  private final List<ResultRow> rows;
  private final List<Verdict> out = new ArrayList<>();

  private Front(List<ResultRow> rows) {
    this.rows = rows.stream().filter(r -> r.measured() != null).toList();
  }

  static List<Verdict> of(List<ResultRow> rows) {
    Front f = new Front(rows);
    long checked = rows.stream().filter(r -> r.check() != null && r.check().passed()).count();
    f.out.add(
        new Verdict(
            "Checked against the reference",
            "%d of %d".formatted(checked, rows.size()),
            "rows whose logits agree within a derived tolerance"));
    if (!f.rows.isEmpty()) {
      f.memory();
      f.flops();
      f.time("Prefill time", Prediction::prefillSeconds, Measurement::prefillSeconds);
      f.time("Decode time", Prediction::decodeSecondsPerToken, Measurement::decodeSecondsPerToken);
      f.rule("Prefill", Utilization::prefillMfu, Utilization::prefillVerdict);
      f.rule("Decode", Utilization::decodeMfu, Utilization::decodeVerdict);
    }
    return f.out;
  }

  private void memory() {
    long exact = 0;
    long both = 0;
    long worst = 0;
    for (ResultRow r : rows) {
      Long p = r.estimate() == null ? null : r.estimate().totalBytes();
      Long m = r.measured() == null ? null : r.measured().totalBytes();
      if (p != null && m != null) {
        both++;
        exact += p.equals(m) ? 1 : 0;
        worst = Math.max(worst, Math.abs(p - m));
      }
    }
    if (both > 0) {
      out.add(
          new Verdict(
              "Memory predicted to the byte",
              "%d of %d".formatted(exact, both),
              exact == both ? "total of all categories" : "farthest: " + Bytes.format(worst)));
    }
  }

  private void flops() {
    long exact = 0;
    long both = 0;
    for (ResultRow r : rows) {
      Long p = r.estimate() == null ? null : r.estimate().prefillFlops();
      Long m = r.measured() == null ? null : r.measured().prefillFlops();
      if (p != null && m != null) {
        both++;
        boolean decode =
            r.estimate() != null
                && r.measured() != null
                && Objects.equals(
                    r.estimate().decodeFlopsPerToken(), r.measured().decodeFlopsPerToken());
        exact += p.equals(m) && decode ? 1 : 0;
      }
    }
    if (both > 0) {
      out.add(
          new Verdict(
              "FLOPs predicted exactly",
              "%d of %d".formatted(exact, both),
              "prefill and decode, as counted while it ran"));
    }
  }

  private void time(
      String topic,
      java.util.function.Function<Prediction, @Nullable Double> predicted,
      java.util.function.Function<Measurement, @Nullable Times> measured) {
    double before = error((r, m) -> r.estimate(), predicted, measured);
    double after = error((r, m) -> r.calibrated(), predicted, measured);
    if (!Double.isNaN(before) || !Double.isNaN(after)) {
      boolean calibrated = !Double.isNaN(after);
      out.add(
          new Verdict(
              topic + ", mean error",
              percent(calibrated ? after : before),
              calibrated
                  ? "calibrated; with default constants " + percent(before)
                  : "with default constants"));
    }
  }

  private static String percent(double share) {
    return Double.isNaN(share)
        ? Table.NONE
        : Quantity.digits(Math.round(1000 * share) / 10.0) + " %";
  }

  /** Mean of |predicted / measured − 1|, NaN without any. */
  private double error(
      BiFunction<ResultRow, Measurement, @Nullable Prediction> which,
      java.util.function.Function<Prediction, @Nullable Double> predicted,
      java.util.function.Function<Measurement, @Nullable Times> measured) {
    double sum = 0;
    int n = 0;
    for (ResultRow r : rows) {
      Measurement m = r.measured();
      Prediction p = m == null ? null : which.apply(r, m);
      Double seconds = p == null ? null : predicted.apply(p);
      Times t = m == null ? null : measured.apply(m);
      if (seconds != null && t != null) {
        sum += Math.abs(seconds / t.median() - 1);
        n++;
      }
    }
    return n == 0 ? Double.NaN : sum / n;
  }

  private void rule(
      String phase,
      java.util.function.Function<Utilization, @Nullable Double> mfu,
      java.util.function.Function<Utilization, Utilization.@Nullable Verdict> verdict) {
    List<Utilization> known =
        rows.stream()
            .map(ResultRow::utilization)
            .filter(Objects::nonNull)
            .filter(u -> mfu.apply(u) != null)
            .toList();
    if (known.isEmpty()) {
      return;
    }
    long within =
        known.stream().filter(u -> verdict.apply(u) == Utilization.Verdict.WITHIN).count();
    double low = known.stream().mapToDouble(u -> orNan(mfu.apply(u))).min().orElse(Double.NaN);
    double high = known.stream().mapToDouble(u -> orNan(mfu.apply(u))).max().orElse(Double.NaN);
    out.add(
        new Verdict(
            phase + " within the rule 0.30–0.55",
            "%d of %d".formatted(within, known.size()),
            "MFU %.2f to %.2f".formatted(low, high)));
  }

  private static double orNan(@Nullable Double d) {
    return d == null ? Double.NaN : d;
  }
}
