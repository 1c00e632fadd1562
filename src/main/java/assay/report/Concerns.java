package assay.report;

import assay.results.Measurement;
import assay.results.ResultRow;
import assay.results.Times;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** What a reader should know before trusting any number: the kinds of trouble, and who has it. */
final class Concerns {
  private static final double MOST_SPREAD = 0.05;

  /**
   * One kind of trouble.
   *
   * @param what in one sentence
   * @param lines row by row
   */
  record Concern(String what, List<String> lines) {}

  private Concerns() {}

  static List<Concern> of(List<ResultRow> rows) {
    List<Concern> out = new ArrayList<>();
    add(out, rows, "failed the check against the reference and were not timed", Concerns::failed);
    add(out, rows, "were not checked against the reference", Concerns::unchecked);
    add(out, rows, "say that clocks were throttled", Concerns::throttled);
    add(
        out,
        rows,
        "spread by more than 5 % between the fastest and the slowest run",
        Concerns::spread);
    add(out, rows, "are predicted with constants that nobody calibrated here", Concerns::raw);
    add(out, rows, "carry warnings of their own", Concerns::own);
    return out;
  }

  private static void add(
      List<Concern> out,
      List<ResultRow> rows,
      String what,
      Function<ResultRow, @Nullable String> trouble) {
    List<String> lines = new ArrayList<>();
    for (int i = 0; i < rows.size(); i++) {
      String said = trouble.apply(rows.get(i));
      if (said != null) {
        lines.add("row " + (i + 1) + ", " + name(rows.get(i)) + ": " + said);
      }
    }
    if (!lines.isEmpty()) {
      out.add(new Concern("%d of %d rows %s".formatted(lines.size(), rows.size(), what), lines));
    }
  }

  static String name(ResultRow r) {
    var w = r.workload();
    return "%s %s, batch %d, prompt %d, generated %d"
        .formatted(
            r.model().name(), r.precision(), w.batch(), w.promptTokens(), w.generatedTokens());
  }

  private static @Nullable String failed(ResultRow r) {
    var check = r.check();
    return check == null || check.passed()
        ? null
        : check.what() + (check.worst() == null ? "" : "; worst: " + check.worst());
  }

  private static @Nullable String unchecked(ResultRow r) {
    return r.check() == null && r.measured() != null ? "no check is stored" : null;
  }

  private static @Nullable String throttled(ResultRow r) {
    return own(r, true);
  }

  private static @Nullable String own(ResultRow r) {
    return own(r, false);
  }

  private static @Nullable String own(ResultRow r, boolean throttled) {
    if (r.warnings() == null) {
      return null;
    }
    List<String> said =
        r.warnings().stream()
            .filter(w -> w.toLowerCase(Locale.ROOT).contains("throttl") == throttled)
            .toList();
    return said.isEmpty() ? null : String.join("; ", said);
  }

  private static @Nullable String raw(ResultRow r) {
    var p = r.estimate();
    boolean calibrated = r.calibrated() != null || (p != null && p.calibration() != null);
    return p == null || r.measured() == null || calibrated ? null : "default constants";
  }

  private static @Nullable String spread(ResultRow r) {
    Measurement m = r.measured();
    if (m == null) {
      return null;
    }
    List<String> said = new ArrayList<>();
    spread(said, "prefill", m.prefillSeconds());
    spread(said, "decode", m.decodeSecondsPerToken());
    return said.isEmpty() ? null : String.join(", ", said);
  }

  private static void spread(List<String> said, String phase, @Nullable Times t) {
    if (t != null && t.spread() > MOST_SPREAD) {
      said.add("%s %.0f %% in %d runs".formatted(phase, 100 * t.spread(), t.runs()));
    }
  }
}
