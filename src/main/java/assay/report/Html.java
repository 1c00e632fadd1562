package assay.report;

/** Pieces of a page. Everything from results is escaped here. */
final class Html {
  private Html() {}

  static String escape(String text) {
    return text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;")
        .replace("'", "&#39;");
  }

  /** Two bars, predicted over measured, as shares of {@code most}. */
  static String bars(long predicted, long measured, long most) {
    double scale = most == 0 ? 0 : 100.0 / most;
    return ("<svg class=\"bars\" viewBox=\"0 0 100 12\" preserveAspectRatio=\"none\" role=\"img\""
            + " aria-label=\"predicted %d bytes, measured %d bytes\">"
            + "<rect class=\"predicted\" y=\"0\" height=\"5\" width=\"%.2f\"/>"
            + "<rect class=\"measured\" y=\"7\" height=\"5\" width=\"%.2f\"/></svg>")
        .formatted(predicted, measured, predicted * scale, measured * scale);
  }

  /** A table whose first column names the row. */
  static final class Table {
    private final StringBuilder out = new StringBuilder();

    Table(String... header) {
      out.append("<div class=\"scroll\"><table><thead><tr>");
      for (String h : header) {
        out.append("<th scope=\"col\">").append(escape(h)).append("</th>");
      }
      out.append("</tr></thead><tbody>\n");
    }

    void row(String... cells) {
      rowWithBar("", cells);
    }

    /** A row with a picture, which is not escaped, in its last cell. */
    void rowWithBar(String picture, String... cells) {
      out.append("<tr>");
      for (int i = 0; i < cells.length; i++) {
        String tag = i == 0 ? "th scope=\"row\"" : "td";
        out.append('<').append(tag).append('>').append(escape(cells[i]));
        out.append(i == 0 ? "</th>" : "</td>");
      }
      if (!picture.isEmpty()) {
        out.append("<td>").append(picture).append("</td>");
      }
      out.append("</tr>\n");
    }

    @Override
    public String toString() {
      return out + "</tbody></table></div>\n";
    }
  }
}
