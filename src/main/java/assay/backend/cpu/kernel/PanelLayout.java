package assay.backend.cpu.kernel;

import static assay.backend.cpu.kernel.RawMemory.getFloat;
import static assay.backend.cpu.kernel.RawMemory.getInt;
import static assay.backend.cpu.kernel.RawMemory.getShort;
import static assay.backend.cpu.kernel.RawMemory.setInt;
import static assay.backend.cpu.kernel.RawMemory.setShort;

import assay.model.DType;

/**
 * The order of bytes in a packed weight matrix: exactly the bytes of the stored rows, 16 rows at a
 * time (a panel) cut into small units and interleaved, so that one vector load brings the same
 * columns of 16 rows. Then a product needs no sum across lanes, and a block format's 16 scales are
 * one vector.
 *
 * <p>A stored row is a sequence of units: fp32 one of 4 bytes per column; fp16 one of 2 bytes; bf16
 * one of 4 bytes per two columns (an odd last column: 2 bytes); Q8_0 per block of 32 one of 2 bytes
 * (the scale) and 8 of 4 bytes; Q4_0 one of 2 and 4 of 4 bytes. The unit that starts at byte o of
 * row i is at byte o·r + i·(its size) of the panel, r being the panel's rows: 16, fewer in the last
 * one. Quants of Q8_0 are kept with their top bit flipped (q + 128, unsigned), as the int8 dot
 * product wants one unsigned side.
 */
public final class PanelLayout {
  /** Rows of a full panel: lanes of fp32 in 512 bits. */
  public static final int ROWS = 16;

  private static final int FLIP = 0x80808080;

  private PanelLayout() {}

  /** Whether matrices of this type are packed. */
  public static boolean packs(DType type) {
    return switch (type) {
      case F32, F16, BF16, Q8_0, Q4_0 -> true;
      default -> false;
    };
  }

  /** Rows of panel {@code panel} in a matrix of {@code rows}. */
  public static int rowsOf(long panel, int rows) {
    return (int) Math.min(ROWS, rows - panel * ROWS);
  }

  /**
   * Writes one stored row at {@code source} to row {@code row} of the matrix [rows, columns] at
   * {@code matrix}.
   */
  public static void writeRow(
      DType type, int rows, int columns, long matrix, int row, long source) {
    long rowBytes = type.rowBytes(columns);
    int r = rowsOf(row / ROWS, rows);
    long panel = matrix + (long) (row / ROWS) * ROWS * rowBytes;
    interleave(type, columns, source, panel, r, row % ROWS, true);
  }

  /** Reads one row back as it was stored. */
  public static void readRow(DType type, int rows, int columns, long matrix, int row, long target) {
    long rowBytes = type.rowBytes(columns);
    int r = rowsOf(row / ROWS, rows);
    long panel = matrix + (long) (row / ROWS) * ROWS * rowBytes;
    interleave(type, columns, target, panel, r, row % ROWS, false);
  }

  private static void interleave(
      DType type, int columns, long row, long panel, int r, int i, boolean toPanel) {
    long bytes = type.rowBytes(columns);
    switch (type) {
      case F32 -> ints(row, panel, 0, bytes, r, i, 0, toPanel);
      case F16 -> shorts(row, panel, 0, bytes, r, i, toPanel);
      case BF16 -> {
        long even = bytes & ~3L;
        ints(row, panel, 0, even, r, i, 0, toPanel);
        shorts(row, panel, even, bytes, r, i, toPanel);
      }
      case Q8_0, Q4_0 -> {
        int flip = type == DType.Q8_0 ? FLIP : 0;
        int block = type.blockBytes();
        for (long at = 0; at < bytes; at += block) {
          shorts(row, panel, at, at + 2, r, i, toPanel);
          ints(row, panel, at + 2, at + block, r, i, flip, toPanel);
        }
      }
      default -> throw new IllegalArgumentException("no panels of " + type);
    }
  }

  private static void ints(
      long row, long panel, long from, long to, int r, int i, int flip, boolean toPanel) {
    for (long at = from; at < to; at += 4) {
      long there = panel + at * r + 4L * i;
      if (toPanel) {
        setInt(there, getInt(row + at) ^ flip);
      } else {
        setInt(row + at, getInt(there) ^ flip);
      }
    }
  }

  private static void shorts(
      long row, long panel, long from, long to, int r, int i, boolean toPanel) {
    for (long at = from; at < to; at += 2) {
      long there = panel + at * r + 2L * i;
      if (toPanel) {
        setShort(there, getShort(row + at));
      } else {
        setShort(row + at, getShort(there));
      }
    }
  }

  /**
   * Copies columns [first, first + count) of a panel of {@code r} rows to a full panel of 16 rows
   * at {@code target}; the rows that it lacks stay as they are there. {@code first} is even and a
   * multiple of the type's block.
   */
  public static void widen(DType type, long panel, int r, int first, int count, long target) {
    long skipped = type.rowBytes(first);
    long source = panel + skipped * r;
    long bytes = type.rowBytes(first + count) - skipped;
    switch (type) {
      case F32 -> widenUnits(source, target, 0, bytes, 4, r);
      case F16 -> widenUnits(source, target, 0, bytes, 2, r);
      case BF16 -> {
        widenUnits(source, target, 0, bytes & ~3L, 4, r);
        widenUnits(source, target, bytes & ~3L, bytes, 2, r);
      }
      case Q8_0, Q4_0 -> {
        int block = type.blockBytes();
        for (long at = 0; at < bytes; at += block) {
          widenUnits(source, target, at, at + 2, 2, r);
          widenUnits(source, target, at + 2, at + block, 4, r);
        }
      }
      default -> throw new IllegalArgumentException("no panels of " + type);
    }
  }

  private static void widenUnits(long source, long target, long from, long to, int unit, int r) {
    for (long at = from; at < to; at += unit) {
      for (int i = 0; i < r; i++) {
        if (unit == 4) {
          setInt(target + at * ROWS + 4L * i, getInt(source + at * r + 4L * i));
        } else {
          setShort(target + at * ROWS + 2L * i, getShort(source + at * r + 2L * i));
        }
      }
    }
  }

  /** Decodes row {@code row} of the matrix to fp32. */
  public static void decodeRow(
      DType type, int rows, int columns, long matrix, int row, float[] target) {
    long rowBytes = type.rowBytes(columns);
    int r = rowsOf(row / ROWS, rows);
    int i = row % ROWS;
    long panel = matrix + (long) (row / ROWS) * ROWS * rowBytes;
    for (int c = 0; c < columns; c++) {
      target[c] = value(type, panel, r, i, columns, c);
    }
  }

  private static float value(DType type, long panel, int r, int i, int columns, int c) {
    return switch (type) {
      case F32 -> getFloat(panel + 4L * c * r + 4L * i);
      case F16 -> Float.float16ToFloat(getShort(panel + 2L * c * r + 2L * i));
      case BF16 -> {
        long at =
            (columns & 1) == 1 && c == columns - 1
                ? 2L * c * r + 2L * i
                : 4L * (c >> 1) * r + 4L * i + 2L * (c & 1);
        yield Float.intBitsToFloat(getShort(panel + at) << 16);
      }
      case Q8_0 -> {
        long block = panel + (c >> 5) * 34L * r;
        int k = c & 31;
        byte q = RawMemory.getByte(block + 2L * r + (4L * (k >> 2)) * r + 4L * i + (k & 3));
        yield Float.float16ToFloat(getShort(block + 2L * i)) * (byte) (q ^ 0x80);
      }
      case Q4_0 -> {
        long block = panel + (c >> 5) * 18L * r;
        int k = c & 15;
        int q = RawMemory.getByte(block + 2L * r + (4L * (k >> 2)) * r + 4L * i + (k & 3));
        int nibble = (c & 16) == 0 ? q & 15 : (q >> 4) & 15;
        yield Float.float16ToFloat(getShort(block + 2L * i)) * (nibble - 8);
      }
      default -> throw new IllegalArgumentException("no panels of " + type);
    };
  }
}
