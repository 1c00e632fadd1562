package assay.report;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A table before anybody decides how it looks: the same one becomes HTML and Markdown. */
final class Table {
  /**
   * One cell.
   *
   * @param text what is read
   * @param value what it is sorted by; null for words
   * @param row result that the number was measured in, counted from 1; 0 for none
   */
  record Cell(String text, @Nullable Double value, int row) {}

  /**
   * One line.
   *
   * @param row result that it belongs to, counted from 1; 0 for none: then no filter hides it
   * @param cells as many as there are columns
   */
  record Line(int row, List<Cell> cells) {}

  /**
   * A column.
   *
   * @param name its head
   * @param words text rather than numbers
   * @param wrap long text that may take several lines
   */
  record Column(String name, boolean words, boolean wrap) {}

  static final String NONE = "–";

  private final String caption;
  private final List<Column> columns = new ArrayList<>();
  private final List<Line> lines = new ArrayList<>();

  Table(String caption) {
    this.caption = caption;
  }

  Table words(String... names) {
    for (String name : names) {
      columns.add(new Column(name, true, false));
    }
    return this;
  }

  Table prose(String name) {
    columns.add(new Column(name, true, true));
    return this;
  }

  Table numbers(String... names) {
    for (String name : names) {
      columns.add(new Column(name, false, false));
    }
    return this;
  }

  void add(int row, List<Cell> cells) {
    if (cells.size() != columns.size()) {
      throw new IllegalArgumentException(
          "%d cells for %d columns of %s".formatted(cells.size(), columns.size(), caption));
    }
    lines.add(new Line(row, List.copyOf(cells)));
  }

  String caption() {
    return caption;
  }

  List<Column> columns() {
    return columns;
  }

  List<Line> lines() {
    return lines;
  }

  /** Words. */
  static Cell text(@Nullable Object words) {
    return new Cell(words == null ? NONE : words.toString(), null, 0);
  }

  /** A number as it is printed; null for none. */
  static Cell number(@Nullable Number value, String text) {
    return value == null ? text(null) : new Cell(text, value.doubleValue(), 0);
  }

  /** A measured number, with the result that it comes from. */
  static Cell measured(int row, @Nullable Number value, String text) {
    return value == null ? text(null) : new Cell(text, value.doubleValue(), row);
  }
}
