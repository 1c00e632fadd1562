package assay.cli;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;

/** Columns of text under a header: the first ones to the left, numbers to the right. */
final class TextTable {
  private final int leftColumns;
  private final List<List<String>> rows = new ArrayList<>();

  /**
   * An empty table.
   *
   * @param leftColumns how many of the first columns are words
   */
  TextTable(int leftColumns, String... header) {
    this.leftColumns = leftColumns;
    rows.add(List.of(header));
  }

  /** Adds a line; cells that are missing at its end stay empty. */
  TextTable add(String... cells) {
    rows.add(List.of(cells));
    return this;
  }

  /** Prints it with two spaces between columns and {@code indent} before each line. */
  void print(PrintWriter out, String indent) {
    int columns = rows.stream().mapToInt(List::size).max().orElse(0);
    int[] widths = new int[columns];
    for (List<String> row : rows) {
      for (int i = 0; i < row.size(); i++) {
        widths[i] = Math.max(widths[i], length(row.get(i)));
      }
    }
    for (List<String> row : rows) {
      StringBuilder line = new StringBuilder(indent);
      for (int i = 0; i < row.size(); i++) {
        String cell = row.get(i);
        String gap = " ".repeat(widths[i] - length(cell));
        line.append(i == 0 ? "" : "  ").append(i < leftColumns ? cell + gap : gap + cell);
      }
      out.println(line.toString().stripTrailing());
    }
  }

  private static int length(String s) {
    return s.codePointCount(0, s.length());
  }
}
