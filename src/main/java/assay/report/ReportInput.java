package assay.report;

import assay.calibrate.Calibration;
import assay.results.Comparison;
import assay.results.Environment;
import assay.results.ResultRow;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Everything that a report is made of.
 *
 * @param rows measured results, of one or several machines
 * @param comparisons of precisions
 * @param calibration whose errors and constants are shown, or null
 * @param claims lines of the ledger
 * @param made what wrote the report, and when
 */
public record ReportInput(
    List<ResultRow> rows,
    List<Comparison> comparisons,
    @Nullable Calibration calibration,
    List<ClaimLine> claims,
    String made) {

  /**
   * One line of the ledger as {@code claims --json} prints it, numbers already in words.
   *
   * @param id of the claim
   * @param kind identity, estimate, rule or reference
   * @param statement what is claimed
   * @param verdict holds, within, fails, not-measured or reference
   * @param predicted what the claim says
   * @param measured what was found
   * @param why tolerance, or what is true instead
   * @param command what repeats it
   */
  public record ClaimLine(
      String id,
      String kind,
      String statement,
      String verdict,
      String predicted,
      String measured,
      String why,
      String command) {}

  /** Copies that cannot change. */
  public ReportInput {
    rows = List.copyOf(rows);
    comparisons = List.copyOf(comparisons);
    claims = List.copyOf(claims);
  }

  /** Rows alone. */
  public static ReportInput of(List<ResultRow> rows, String made) {
    return new ReportInput(rows, List.of(), null, List.of(), made);
  }

  /** Each machine that measured, by a short name that no other has. */
  Map<Environment, String> machines() {
    Map<Environment, String> out = new LinkedHashMap<>();
    List<String> taken = new ArrayList<>();
    for (ResultRow r : rows) {
      Environment e = r.environment();
      if (out.keySet().stream().anyMatch(known -> sameMachine(known, e))) {
        out.putIfAbsent(e, nameOf(out, e));
        continue;
      }
      String name = e.name();
      if (taken.contains(name)) {
        name = name + " (" + (e.host() == null ? "another" : e.host()) + ")";
      }
      for (int i = 2; taken.contains(name); i++) {
        name = e.name() + " #" + i;
      }
      taken.add(name);
      out.put(e, name);
    }
    return out;
  }

  private static String nameOf(Map<Environment, String> names, Environment e) {
    return names.entrySet().stream()
        .filter(n -> sameMachine(n.getKey(), e))
        .map(Map.Entry::getValue)
        .findFirst()
        .orElseThrow();
  }

  private static boolean sameMachine(Environment a, Environment b) {
    return a.device().equals(b.device())
        && a.name().equals(b.name())
        && java.util.Objects.equals(a.host(), b.host());
  }
}
