package assay.backend.reference;

import assay.model.BlockFormat;
import assay.model.DType;
import java.lang.foreign.MemorySegment;

/**
 * A matrix of fp64 values, row-major: a view of rows of an array. One that stands for a narrower
 * type is rounded to it when an operation is done with it ({@link #round}); fp32 stays fp64.
 */
public final class DoubleMatrix {
  private final double[] values;
  private final int first;
  private final int rows;
  private final int columns;
  private final DType type;

  DoubleMatrix(DType type, int rows, int columns) {
    this(type, new double[Math.multiplyExact(rows, columns)], 0, rows, columns);
  }

  private DoubleMatrix(DType type, double[] values, int first, int rows, int columns) {
    this.type = type;
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

  DoubleMatrix view(int firstRow, int count) {
    return new DoubleMatrix(type, values, first + firstRow * columns, count, columns);
  }

  /** Rounds every element to the storage type. */
  void round() {
    if (type == DType.F32 || type == DType.I32) {
      return;
    }
    float[] row = new float[columns];
    MemorySegment stored = MemorySegment.ofArray(new byte[Math.toIntExact(type.rowBytes(columns))]);
    for (int r = 0; r < rows; r++) {
      for (int j = 0; j < columns; j++) {
        row[j] = (float) at(r, j);
      }
      BlockFormat.encodeRow(type, row, 0, columns, stored, 0);
      BlockFormat.decodeRow(type, stored, 0, columns, row, 0);
      for (int j = 0; j < columns; j++) {
        set(r, j, row[j]);
      }
    }
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
