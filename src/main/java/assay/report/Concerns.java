package assay.report;

import assay.results.Measurement;
import assay.results.ResultRow;
import assay.results.Times;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;
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
    add(out, rows, "were timed while clocks were throttled", Concerns::throttled);
    spread(out, rows);
    add(out, rows, "are predicted with constants that nobody calibrated here", Concerns::raw);
    own(out, rows);
    return out;
  }

  /** What the run itself warned of: the same words of many rows are one line. */
  private static void own(List<Concern> out, List<ResultRow> rows) {
    Map<String, List<Integer>> byWords = new LinkedHashMap<>();
    Map<String, String> first = new LinkedHashMap<>();
    TreeSet<Integer> warned = new TreeSet<>();
    for (int i = 0; i < rows.size(); i++) {
      for (String w : own(rows.get(i), false)) {
        String words = w.replaceAll("[0-9][0-9.,]*", "#");
        byWords.computeIfAbsent(words, key -> new ArrayList<>()).add(i + 1);
        first.putIfAbsent(words, w);
        warned.add(i + 1);
      }
    }
    List<String> lines = new ArrayList<>();
    byWords.forEach(
        (words, at) -> {
          String row = "row " + at.getFirst() + ", " + name(rows.get(at.getFirst() - 1));
          lines.add(
              at.size() == 1
                  ? row + ": " + first.get(words)
                  : "%d rows (%s): %s%s"
                      .formatted(
                          at.size(),
                          ranges(at),
                          first.get(words),
                          words.contains("#") ? " (" + row + ")" : ""));
        });
    if (!lines.isEmpty()) {
      String what = "%d of %d rows carry warnings of their own";
      out.add(new Concern(what.formatted(warned.size(), rows.size()), lines));
    }
  }

  /** {@code 1–4, 7, 9–12}, given in order. */
  static String ranges(List<Integer> numbers) {
    List<String> out = new ArrayList<>();
    int from = 0;
    for (int i = 1; i <= numbers.size(); i++) {
      if (i == numbers.size() || numbers.get(i) > numbers.get(i - 1) + 1) {
        int low = numbers.get(from);
        int high = numbers.get(i - 1);
        out.add(low == high ? "" + low : low + (high == low + 1 ? ", " : "–") + high);
        from = i;
      }
    }
    return String.join(", ", out);
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

  /** Reasons that the device gave while it was timed, and warnings that say so. */
  private static @Nullable String throttled(ResultRow r) {
    List<String> said = new ArrayList<>();
    Measurement m = r.measured();
    if (m != null && m.device() != null && m.device().throttleReasons() != null) {
      // A device that idles between two steps has not been held down.
      m.device().throttleReasons().stream().filter(x -> !x.equals("idle")).forEach(said::add);
    }
    said.addAll(own(r, true));
    return said.isEmpty() ? null : String.join("; ", said);
  }

  private static List<String> own(ResultRow r, boolean throttled) {
    return r.warnings() == null
        ? List.of()
        : r.warnings().stream()
            .filter(w -> w.toLowerCase(Locale.ROOT).contains("throttl") == throttled)
            .toList();
  }

  private static @Nullable String raw(ResultRow r) {
    var p = r.estimate();
    boolean calibrated = r.calibrated() != null || (p != null && p.calibration() != null);
    return p == null || r.measured() == null || calibrated ? null : "default constants";
  }

  /** The widest first. */
  private static void spread(List<Concern> out, List<ResultRow> rows) {
    Map<String, Double> lines = new LinkedHashMap<>();
    for (int i = 0; i < rows.size(); i++) {
      Measurement m = rows.get(i).measured();
      if (m == null) {
        continue;
      }
      List<String> said = new ArrayList<>();
      double most =
          Math.max(
              spread(said, "prefill", m.prefillSeconds()),
              spread(said, "decode", m.decodeSecondsPerToken()));
      if (!said.isEmpty()) {
        String row = "row " + (i + 1) + ", " + name(rows.get(i));
        lines.put(row + ": " + String.join(", ", said), most);
      }
    }
    if (!lines.isEmpty()) {
      String what =
          "%d of %d rows spread by more than 5 %% between the fastest and the slowest run";
      out.add(
          new Concern(
              what.formatted(lines.size(), rows.size()),
              lines.entrySet().stream()
                  .sorted(Map.Entry.comparingByValue(Comparator.reverseOrder()))
                  .map(Map.Entry::getKey)
                  .toList()));
    }
  }

  private static double spread(List<String> said, String phase, @Nullable Times t) {
    if (t == null || t.spread() <= MOST_SPREAD) {
      return 0;
    }
    said.add("%s %.0f %% in %d runs".formatted(phase, 100 * t.spread(), t.runs()));
    return t.spread();
  }
}
