package assay.report;

import java.util.Locale;

/** Pieces of a page. Everything from results is escaped here. */
final class Html {
  /** Words longer than this may take several lines. */
  private static final int LONG = 28;

  private Html() {}

  static String escape(String text) {
    return text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;")
        .replace("'", "&#39;");
  }

  /**
   * A table that the page's script can sort and filter: its lines carry their row, its cells what
   * they are sorted by.
   *
   * @param anchors lines get the ids that measured numbers link to
   */
  static String table(Table t, boolean anchors) {
    StringBuilder out = new StringBuilder();
    out.append("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"")
        .append(escape(t.caption()))
        .append("\"><table class=\"sorts\"><caption>")
        .append(escape(t.caption()))
        .append("</caption><thead><tr>");
    for (Table.Column c : t.columns()) {
      out.append("<th scope=\"col\" class=\"")
          .append(kind(c))
          .append("\" aria-sort=\"none\"><button type=\"button\">")
          .append(escape(c.name()))
          .append("</button></th>");
    }
    out.append("</tr></thead><tbody>\n");
    for (Table.Line line : t.lines()) {
      out.append("<tr data-row=\"").append(line.row()).append('"');
      if (anchors) {
        out.append(" id=\"row-").append(line.row()).append('"');
      }
      out.append('>');
      for (int i = 0; i < line.cells().size(); i++) {
        out.append(cell(t.columns().get(i), line.cells().get(i), i == 0, anchors));
      }
      out.append("</tr>\n");
    }
    return out.append("</tbody></table></div>\n").toString();
  }

  private static String kind(Table.Column c) {
    return c.wrap() ? "l wrap" : c.words() ? "l" : "";
  }

  private static String cell(Table.Column column, Table.Cell c, boolean head, boolean anchors) {
    StringBuilder out = new StringBuilder();
    out.append(head ? "<th scope=\"row\"" : "<td");
    if (column.words()) {
      boolean wraps = !column.wrap() && c.text().length() > LONG;
      out.append(" class=\"").append(kind(column)).append(wraps ? " long\"" : "\"");
    }
    if (c.value() != null) {
      out.append(" data-v=\"").append(String.format(Locale.ROOT, "%s", c.value())).append('"');
    }
    out.append('>');
    boolean code = column.name().equals("command");
    if (c.row() > 0 && !anchors) {
      // One stop for the keyboard in each line, the row's number; the others are for a pointer.
      out.append("<a href=\"#row-").append(c.row()).append('"');
      out.append(head ? "" : " tabindex=\"-1\"").append(" class=\"n\">");
      out.append(escape(c.text())).append("</a>");
    } else {
      out.append(code ? "<code>" : "").append(escape(c.text())).append(code ? "</code>" : "");
    }
    return out.append(head ? "</th>" : "</td>").toString();
  }
}
