package assay.report;

import assay.results.Environment;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The report's tables for a README or an issue. */
public final class MarkdownReport {
  private MarkdownReport() {}

  /** All sections, without the plots. */
  public static String of(ReportInput in) {
    StringBuilder out = new StringBuilder("# Predicted and measured\n\n");
    Map<Environment, String> machines = in.machines();
    Set<String> said = new LinkedHashSet<>();
    machines.forEach((e, name) -> said.add(name + ": " + HtmlReport.describe(e)));
    said.forEach(s -> out.append("- ").append(escape(s)).append('\n'));
    out.append('\n');
    if (!in.rows().isEmpty()) {
      out.append("| | | |\n|---|---|---|\n");
      for (Front.Verdict v : Front.of(in.rows())) {
        out.append("| ").append(escape(v.topic())).append(" | ").append(escape(v.verdict()));
        out.append(" | ").append(escape(v.detail())).append(" |\n");
      }
    }
    for (Concerns.Concern c : Concerns.of(in.rows())) {
      out.append("\n**").append(escape(c.what())).append("**\n\n");
      c.lines().forEach(l -> out.append("- ").append(escape(l)).append('\n'));
    }
    for (Section s : Report.sections(in)) {
      if (!s.hasLines()) {
        continue;
      }
      out.append("\n## ").append(escape(s.title())).append("\n\n");
      out.append(escape(s.note())).append('\n');
      for (Table t : s.tables()) {
        if (!t.lines().isEmpty()) {
          out.append('\n').append(escape(t.caption())).append(":\n\n").append(table(t));
        }
      }
    }
    return out.append('\n').append(escape(in.made())).append('\n').toString();
  }

  private static String table(Table t) {
    StringBuilder out = new StringBuilder();
    List<String> rule = new ArrayList<>();
    List<String> names = new ArrayList<>();
    for (Table.Column c : t.columns()) {
      names.add(escape(c.name()));
      rule.add(c.words() ? "---" : "---:");
    }
    out.append("| ").append(String.join(" | ", names)).append(" |\n|");
    out.append(String.join("|", rule)).append("|\n");
    for (Table.Line line : t.lines()) {
      out.append('|');
      line.cells().forEach(c -> out.append(' ').append(escape(c.text())).append(" |"));
      out.append('\n');
    }
    return out.toString();
  }

  /** Text in which nothing is markup, a table's bars and HTML among it. */
  static String escape(String text) {
    return text.replace("\\", "\\\\")
        .replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace("|", "\\|")
        .replace("*", "\\*")
        .replace("_", "\\_")
        .replace("`", "\\`")
        .replace("[", "\\[")
        .replace("\n", " ")
        .replace("\r", " ");
  }
}
