package assay.report;

import assay.results.Measurement;
import assay.results.Prediction;
import assay.results.ResultRow;
import assay.results.Utilization;
import assay.units.Bytes;
import assay.units.Quantity;
import assay.units.Seconds;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** One table for a README or an issue. */
public final class MarkdownReport {
  private static final String NONE = "–";

  private MarkdownReport() {}

  /** The rows that were measured, one line each. */
  public static String of(List<ResultRow> rows) {
    StringBuilder out = new StringBuilder();
    out.append(
        "| model | precision | batch | prompt | bytes predicted | bytes measured | prefill"
            + " predicted | prefill measured | tokens/s | MFU | decode predicted | decode measured"
            + " | tokens/s | MBU |\n");
    out.append("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n");
    for (ResultRow r : rows) {
      Measurement m = r.measured();
      if (m != null) {
        line(out, r, m, r.estimate(), r.utilization());
      }
    }
    return out.toString();
  }

  private static void line(
      StringBuilder out,
      ResultRow r,
      Measurement m,
      @Nullable Prediction p,
      @Nullable Utilization u) {
    List<String> cells =
        List.of(
            r.model().name().replace("|", "\\|"),
            r.precision(),
            Integer.toString(r.workload().batch()),
            Integer.toString(r.workload().promptTokens()),
            bytes(p == null ? null : p.totalBytes()),
            bytes(m.totalBytes()),
            seconds(p == null ? null : p.prefillSeconds()),
            seconds(m.prefillSeconds() == null ? null : m.prefillSeconds().median()),
            number(m.prefillTokensPerSecond()),
            ratio(u == null ? null : u.prefillMfu()),
            seconds(p == null ? null : p.decodeSecondsPerToken()),
            seconds(m.decodeSecondsPerToken() == null ? null : m.decodeSecondsPerToken().median()),
            number(m.decodeTokensPerSecond()),
            ratio(u == null ? null : u.decodeMbu()));
    out.append("| ").append(String.join(" | ", cells)).append(" |\n");
  }

  private static String bytes(@Nullable Long b) {
    return b == null ? NONE : Bytes.format(b);
  }

  private static String seconds(@Nullable Double s) {
    return s == null ? NONE : Seconds.format(s);
  }

  private static String number(@Nullable Double n) {
    return n == null ? NONE : Quantity.digits(n);
  }

  private static String ratio(@Nullable Double r) {
    return r == null ? NONE : "%.2f".formatted(r);
  }
}
