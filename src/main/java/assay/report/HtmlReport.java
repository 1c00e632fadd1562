package assay.report;

import assay.results.Measurement;
import assay.results.Prediction;
import assay.results.ResultRow;
import assay.results.Times;
import assay.results.Utilization;
import assay.units.Bytes;
import assay.units.Quantity;
import assay.units.Seconds;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * One page from stored results that opens from disk with no network: warnings first, predicted
 * against measured by category, times, a roofline, where each number comes from.
 */
public final class HtmlReport {
  private static final String NONE = "–";

  private final StringBuilder out = new StringBuilder();
  private final List<ResultRow> rows;

  private HtmlReport(List<ResultRow> rows) {
    this.rows = rows;
  }

  /** The page of these rows, in their order. */
  public static String of(List<ResultRow> rows) {
    return new HtmlReport(rows).page();
  }

  private String page() {
    out.append("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n")
        .append("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
        .append("<title>Assay: predicted and measured</title>\n<style>")
        .append(ReportStyle.CSS)
        .append("</style></head><body><main>\n<h1>Predicted and measured</h1>\n");
    machines();
    warnings();
    times();
    memory();
    work();
    section("Roofline");
    out.append(RooflinePlot.svg(rows));
    provenance();
    out.append("</main></body></html>\n");
    return out.toString();
  }

  // ---- parts

  private void machines() {
    rows.stream()
        .map(ResultRow::environment)
        .distinct()
        .forEach(
            e ->
                out.append("<p>")
                    .append(
                        Html.escape(
                            "%s: %s, %s cores, %s threads, %s, Assay %s (%s), Java %s"
                                .formatted(
                                    e.device(),
                                    e.name(),
                                    known(e.cores()),
                                    known(e.threads()),
                                    known(e.os()),
                                    known(e.assay()),
                                    known(e.git()),
                                    known(e.java()))))
                    .append("</p>\n"));
  }

  private static String known(@Nullable Object o) {
    return o == null ? NONE : o.toString();
  }

  private void warnings() {
    List<String> all =
        rows.stream()
            .flatMap(
                r ->
                    (r.warnings() == null ? List.<String>of() : r.warnings())
                        .stream().map(w -> name(r) + ": " + w))
            .toList();
    if (all.isEmpty()) {
      return;
    }
    section("Beware");
    out.append("<ul class=\"warn\">");
    all.forEach(w -> out.append("<li>").append(Html.escape(w)).append("</li>"));
    out.append("</ul>\n");
  }

  private static String name(ResultRow r) {
    var w = r.workload();
    return "%s %s, batch %d, prompt %d, generated %d"
        .formatted(
            r.model().name(), r.precision(), w.batch(), w.promptTokens(), w.generatedTokens());
  }

  private void section(String title) {
    out.append("<h2>").append(Html.escape(title)).append("</h2>\n");
  }

  private void note(String text) {
    out.append("<p class=\"note\">").append(Html.escape(text)).append("</p>\n");
  }

  private void times() {
    section("Time");
    note(
        "Medians with the fastest and slowest run. MFU is model FLOP/s over the peak, MBU weights"
            + " and KV cache read over the memory's rate. The rule 0.30–0.55 (claim C5) speaks of"
            + " training; prefill and decode stand apart. N generated tokens are N − 1 decode"
            + " passes.");
    Html.Table t =
        new Html.Table(
            "",
            "phase",
            "predicted",
            "measured",
            "range",
            "difference",
            "tokens/s",
            "FLOP/s",
            "MFU",
            "rule",
            "MBU");
    for (ResultRow r : rows) {
      Measurement m = r.measured();
      Utilization u = r.utilization();
      if (m == null || u == null) {
        continue;
      }
      timeRow(
          t,
          name(r),
          "prefill",
          predicted(r, Prediction::prefillSeconds),
          m.prefillSeconds(),
          m.prefillTokensPerSecond(),
          m.prefillFlopsPerSecond(),
          u.prefillMfu(),
          u.prefillVerdict(),
          null);
      timeRow(
          t,
          name(r),
          "decode, per pass",
          predicted(r, Prediction::decodeSecondsPerToken),
          m.decodeSecondsPerToken(),
          m.decodeTokensPerSecond(),
          m.decodeFlopsPerSecond(),
          u.decodeMfu(),
          u.decodeVerdict(),
          u.decodeMbu());
    }
    out.append(t);
  }

  private static void timeRow(
      Html.Table t,
      String name,
      String phase,
      @Nullable Double predicted,
      @Nullable Times measured,
      @Nullable Double tokens,
      @Nullable Double flops,
      @Nullable Double mfu,
      Utilization.@Nullable Verdict verdict,
      @Nullable Double mbu) {
    if (measured == null) {
      return;
    }
    t.row(
        name,
        phase,
        predicted == null ? NONE : Seconds.format(predicted),
        Seconds.format(measured.median()),
        "%s – %s, %d runs"
            .formatted(
                Seconds.format(measured.min()), Seconds.format(measured.max()), measured.runs()),
        difference(predicted, measured.median()),
        tokens == null ? NONE : Quantity.digits(tokens),
        flops == null ? NONE : Quantity.format(flops, "FLOP/s"),
        mfu == null ? NONE : "%.2f".formatted(mfu),
        verdict == null ? NONE : verdict.label(),
        mbu == null ? NONE : "%.2f".formatted(mbu));
  }

  private record Category(
      String name,
      Function<Prediction, @Nullable Long> predicted,
      Function<Measurement, @Nullable Long> measured) {}

  private static final List<Category> CATEGORIES =
      List.of(
          new Category("weights", Prediction::weightsBytes, Measurement::weightsBytes),
          new Category("KV cache", Prediction::kvCacheBytes, Measurement::kvCacheBytes),
          new Category("activations", Prediction::activationsBytes, Measurement::activationsBytes),
          new Category("workspace", Prediction::workspaceBytes, Measurement::workspaceBytes),
          new Category("overhead", Prediction::overheadBytes, Measurement::overheadBytes),
          new Category("total", Prediction::totalBytes, Measurement::totalBytes));

  private void memory() {
    section("Memory");
    note(
        "Bytes by category as they were really allocated; the upper bar is predicted, the lower"
            + " measured.");
    Html.Table t =
        new Html.Table("", "category", "rule N × bytes", "predicted", "measured", "difference", "");
    for (ResultRow r : rows) {
      if (r.measured() == null) {
        continue;
      }
      long most =
          Math.max(
              orZero(predicted(r, Prediction::totalBytes)),
              orZero(measured(r, Measurement::totalBytes)));
      for (Category c : CATEGORIES) {
        Long p = predicted(r, c.predicted);
        Long m = measured(r, c.measured);
        boolean weights = c.name.equals("weights");
        Long rule = weights && r.rules() != null ? r.rules().weightsBytes() : null;
        t.rowWithBar(
            Html.bars(orZero(p), orZero(m), most),
            name(r),
            c.name,
            rule == null ? "" : Bytes.format(rule),
            p == null ? NONE : Bytes.format(p),
            m == null ? NONE : Bytes.format(m),
            difference(p, m));
      }
    }
    out.append(t);
  }

  private void work() {
    section("Work");
    note(
        "FLOPs: the rule 2N per token (claim C1), predicted operation by operation, and counted"
            + " from the operations that really reached the device.");
    Html.Table t = new Html.Table("", "phase", "rule 2N", "predicted", "counted", "difference");
    for (ResultRow r : rows) {
      if (r.measured() == null) {
        continue;
      }
      Long p = predicted(r, Prediction::prefillFlops);
      Long m = measured(r, Measurement::prefillFlops);
      var rules = r.rules();
      t.row(
          name(r),
          "prefill",
          flops(rules == null ? null : rules.prefillFlops()),
          flops(p),
          flops(m),
          difference(p, m));
      Long dp = predicted(r, Prediction::decodeFlopsPerToken);
      Long dm = measured(r, Measurement::decodeFlopsPerToken);
      t.row(
          name(r),
          "decode, per token",
          flops(rules == null ? null : rules.decodeFlopsPerToken()),
          flops(dp),
          flops(dm),
          difference(dp, dm));
    }
    out.append(t);
  }

  private void provenance() {
    section("How each row came about");
    Html.Table t =
        new Html.Table(
            "", "time", "check against the reference", "peak", "memory's rate", "command");
    for (ResultRow r : rows) {
      var check = r.check();
      var c = r.ceilings();
      t.row(
          name(r),
          r.time(),
          check == null
              ? NONE
              : (check.passed() ? "passed: " : "FAILED: ")
                  + check.what()
                  + (check.error() == null
                      ? ""
                      : ", error %.2g of %.2g allowed".formatted(check.error(), check.tolerance())),
          c == null || c.peakFlopsPerSecond() == null
              ? NONE
              : "%s (%s)"
                  .formatted(Quantity.format(c.peakFlopsPerSecond(), "FLOP/s"), c.peakSource()),
          c == null || c.copyBytesPerSecond() == null
              ? NONE
              : "%s (%s)".formatted(Quantity.format(c.copyBytesPerSecond(), "B/s"), c.copyKind()),
          known(r.command()));
    }
    out.append(t);
  }

  // ---- cells

  private static <T> @Nullable T predicted(ResultRow r, Function<Prediction, @Nullable T> f) {
    return r.estimate() == null ? null : f.apply(r.estimate());
  }

  private static <T> @Nullable T measured(ResultRow r, Function<Measurement, @Nullable T> f) {
    return r.measured() == null ? null : f.apply(r.measured());
  }

  private static long orZero(@Nullable Long value) {
    return value == null ? 0 : value;
  }

  private static String flops(@Nullable Long count) {
    return count == null ? NONE : Quantity.format((double) count, "FLOP");
  }

  private static String difference(@Nullable Number predicted, @Nullable Number measured) {
    if (predicted == null || measured == null) {
      return NONE;
    }
    if (predicted.equals(measured)) {
      return "0";
    }
    return "%+.1f %%".formatted(100 * (predicted.doubleValue() / measured.doubleValue() - 1));
  }
}
