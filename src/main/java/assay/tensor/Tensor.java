package assay.tensor;

import assay.model.DType;

/**
 * A view of device memory: a matrix [rows, columns] of one storage type. Views do not own memory
 * and cost nothing on the device; making one costs a small object on the host, so the decode loop
 * uses views that were made before.
 *
 * <p>A {@link Layout#PACKED} tensor is a weight matrix whose order of bytes is the back end's
 * secret: same bytes, but only the back end that wrote it may interpret them, and it cannot be cut
 * into views.
 */
public final class Tensor {
  /** Order of the bytes. */
  public enum Layout {
    /** Row after row, {@link Tensor#rowStrideBytes} apart. */
    ROW_MAJOR,
    /** The back end's own. */
    PACKED
  }

  private final DeviceBuffer buffer;
  private final long offsetBytes;
  private final DType type;
  private final int rows;
  private final int columns;
  private final long rowStrideBytes;
  private final Layout layout;
  private final float scale;

  private Tensor(
      DeviceBuffer buffer,
      long offsetBytes,
      DType type,
      int rows,
      int columns,
      long rowStrideBytes,
      Layout layout,
      float scale) {
    if (rows < 0 || columns < 0) {
      throw new IllegalArgumentException("shape [" + rows + ", " + columns + "]");
    }
    this.buffer = buffer;
    this.offsetBytes = offsetBytes;
    this.type = type;
    this.rows = rows;
    this.columns = columns;
    this.rowStrideBytes = rowStrideBytes;
    this.layout = layout;
    this.scale = scale;
    long end =
        rows == 0
            ? offsetBytes
            : offsetBytes + (rows - 1) * rowStrideBytes + type.rowBytes(columns);
    if (offsetBytes < 0 || end > buffer.bytes()) {
      throw new IllegalArgumentException(
          this + " at byte " + offsetBytes + " leaves its buffer of " + buffer.bytes() + " bytes");
    }
  }

  /** A dense matrix at {@code offsetBytes} of a buffer. */
  public static Tensor rowMajor(
      DeviceBuffer buffer, long offsetBytes, DType type, int rows, int columns) {
    return new Tensor(
        buffer, offsetBytes, type, rows, columns, type.rowBytes(columns), Layout.ROW_MAJOR, 1);
  }

  /** The same memory, declared to be in the back end's own order. */
  public Tensor packed() {
    return new Tensor(
        buffer, offsetBytes, type, rows, columns, rowStrideBytes, Layout.PACKED, scale);
  }

  /**
   * The same memory, its values being {@code scale} times what the bytes say (fp8 weights: one
   * factor per matrix).
   */
  public Tensor scaledBy(float scale) {
    return new Tensor(buffer, offsetBytes, type, rows, columns, rowStrideBytes, layout, scale);
  }

  /** Rows [first, first + count). */
  public Tensor rows(int first, int count) {
    requireRowMajor();
    checkRange("rows", first, count, rows);
    return new Tensor(
        buffer,
        offsetBytes + first * rowStrideBytes,
        type,
        count,
        columns,
        rowStrideBytes,
        layout,
        scale);
  }

  /** Every {@code step}-th row from {@code first} on, {@code count} of them. */
  public Tensor everyRow(int first, int step, int count) {
    requireRowMajor();
    if (count > 0) {
      checkRange("rows", first, (count - 1) * step + 1, rows);
    }
    return new Tensor(
        buffer,
        offsetBytes + first * rowStrideBytes,
        type,
        count,
        columns,
        rowStrideBytes * step,
        layout,
        scale);
  }

  /** Columns [first, first + count) of every row; plain types only. */
  public Tensor columns(int first, int count) {
    requireRowMajor();
    checkRange("columns", first, count, columns);
    if (type.isBlocked()) {
      throw new IllegalArgumentException("columns of blocked type " + type);
    }
    return new Tensor(
        buffer,
        offsetBytes + (long) first * type.blockBytes(),
        type,
        rows,
        count,
        rowStrideBytes,
        layout,
        scale);
  }

  private void requireRowMajor() {
    if (layout != Layout.ROW_MAJOR) {
      throw new IllegalArgumentException("no views of a packed tensor: " + this);
    }
  }

  private void checkRange(String what, int first, int count, int size) {
    if (first < 0 || count < 0 || first > size - count) {
      throw new IllegalArgumentException(
          what + " " + first + " + " + count + " of " + size + " in " + this);
    }
  }

  /** The memory it looks at. */
  public DeviceBuffer buffer() {
    return buffer;
  }

  /** Where in the buffer its first element lies. */
  public long offsetBytes() {
    return offsetBytes;
  }

  /** Storage type. */
  public DType type() {
    return type;
  }

  /** Number of rows. */
  public int rows() {
    return rows;
  }

  /** Elements per row. */
  public int columns() {
    return columns;
  }

  /** Bytes from one row to the next. */
  public long rowStrideBytes() {
    return rowStrideBytes;
  }

  /** Order of the bytes. */
  public Layout layout() {
    return layout;
  }

  /** Factor between what the bytes say and the values; 1 for all but fp8 weights. */
  public float scale() {
    return scale;
  }

  /** True when the rows follow each other without gaps. */
  public boolean isDense() {
    return rows <= 1 || rowStrideBytes == type.rowBytes(columns);
  }

  /** Exact bytes of its elements. */
  public long bytes() {
    return type.bytes(rows, columns);
  }

  /** Fails unless this is [rows, columns] of that type. */
  public Tensor require(String what, DType type, int rows, int columns) {
    if (this.type != type || this.rows != rows || this.columns != columns) {
      throw new IllegalArgumentException(
          "%s is %s: expected %s [%d, %d]".formatted(what, this, type, rows, columns));
    }
    return this;
  }

  @Override
  public String toString() {
    return type + " [" + rows + ", " + columns + "]" + (layout == Layout.PACKED ? " packed" : "");
  }
}
