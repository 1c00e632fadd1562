package assay.backend.reference;

/** A matrix of fp64 values, row-major: a view of rows of an array. */
public final class DoubleMatrix {
  private final double[] values;
  private final int first;
  private final int rows;
  private final int columns;

  DoubleMatrix(int rows, int columns) {
    this(new double[Math.multiplyExact(rows, columns)], 0, rows, columns);
  }

  DoubleMatrix(double[] values, int first, int rows, int columns) {
    this.values = values;
    this.first = first;
    this.rows = rows;
    this.columns = columns;
  }

  /** The whole array behind the view. */
  public double[] values() {
    return values;
  }

  /** Index of the first element in {@link #values}. */
  public int first() {
    return first;
  }

  /** Number of rows. */
  public int rows() {
    return rows;
  }

  /** Elements per row. */
  public int columns() {
    return columns;
  }

  double at(int row, int column) {
    return values[first + row * columns + column];
  }

  void set(int row, int column, double value) {
    values[first + row * columns + column] = value;
  }

  void add(int row, int column, double value) {
    values[first + row * columns + column] += value;
  }

  int id(int row) {
    return (int) at(row, 0);
  }
}
