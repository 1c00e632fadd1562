package assay.report;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What the page shows beside its rows, as CSV (RFC 4180): verdicts, warnings, the calibration.
 * Rows, comparisons and claims have files of their own with every field.
 */
public final class CsvTables {
  private CsvTables() {}

  /** Text by name of its file; what there is none of is left out. */
  public static Map<String, String> of(ReportInput in) {
    Map<String, String> out = new LinkedHashMap<>();
    if (!in.rows().isEmpty()) {
      Table verdicts = new Table("verdicts").words("topic", "verdict", "detail");
      for (Front.Verdict v : Front.of(in.rows())) {
        verdicts.add(
            0, List.of(Table.text(v.topic()), Table.text(v.verdict()), Table.text(v.detail())));
      }
      out.put("verdicts.csv", csv(verdicts));
    }
    Table warnings = new Table("warnings").words("warning", "where");
    for (Concerns.Concern c : Concerns.of(in.rows())) {
      c.lines().forEach(l -> warnings.add(0, List.of(Table.text(c.what()), Table.text(l))));
    }
    if (!warnings.lines().isEmpty()) {
      out.put("warnings.csv", csv(warnings));
    }
    if (in.calibration() != null) {
      out.put("calibration-errors.csv", csv(OtherTables.heldOut(in.calibration())));
      out.put("calibration-constants.csv", csv(OtherTables.constants(in.calibration())));
      if (!in.calibration().notes().isEmpty()) {
        out.put("calibration-notes.csv", csv(OtherTables.notes(in.calibration())));
      }
    }
    return out;
  }

  /** Numbers in full, words as they are read, nothing where the page has a dash. */
  private static String csv(Table t) {
    StringBuilder out = new StringBuilder();
    line(out, t.columns().stream().map(Table.Column::name).toList());
    for (Table.Line l : t.lines()) {
      List<String> cells = new ArrayList<>();
      for (Table.Cell c : l.cells()) {
        cells.add(
            c.value() != null ? number(c.value()) : c.text().equals(Table.NONE) ? "" : c.text());
      }
      line(out, cells);
    }
    return out.toString();
  }

  private static String number(double v) {
    boolean whole = v == Math.rint(v) && Math.abs(v) < 1L << 53;
    return whole ? Long.toString((long) v) : Double.toString(v);
  }

  private static void line(StringBuilder out, List<String> cells) {
    List<String> quoted = new ArrayList<>();
    for (String c : cells) {
      boolean plain = c.chars().noneMatch(x -> x == ',' || x == '"' || x == '\n' || x == '\r');
      quoted.add(plain ? c : '"' + c.replace("\"", "\"\"") + '"');
    }
    out.append(String.join(",", quoted)).append("\r\n");
  }
}
