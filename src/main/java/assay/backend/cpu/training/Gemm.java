package assay.backend.cpu.training;

import static assay.backend.cpu.training.Floats.ALL;
import static assay.backend.cpu.training.Floats.ORDER;
import static assay.backend.cpu.training.Floats.S;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/**
 * fp32 c (+)= a · b for any strides, on one thread: the three products of a linear layer (x·wᵀ,
 * dy·w, dyᵀ·x) and those of attention are this one with other strides.
 *
 * <p>b is packed into panels of two vectors' width, {@link #DEPTH} × {@link #WIDTH} at a time, so
 * that it stays in the second-level cache; a is read where it lies, one broadcast per element. The
 * inner kernel keeps 6 rows × 2 vectors of c in registers: 12 accumulators, enough to hide the
 * latency of a fused multiply-add, and few enough for AVX2's 16 registers. It leaves them in a
 * small tile, from which {@link #unload} moves what exists to c: adding to c inside the kernel
 * makes it too large for C2 to inline, and one boxed accumulator costs a factor of five.
 *
 * <p>Each element of c is summed over k in order within blocks of {@link #DEPTH}; the blocks are
 * added in order.
 */
final class Gemm {
  private static final int DEPTH = 256;
  private static final int WIDTH = 512;
  private static final int LANES = S.length();
  private static final int PANEL = 2 * LANES;
  private static final int ROWS = 6;
  private static final long PACKED_BYTES = 4L * DEPTH * WIDTH;

  /** Bytes of scratch for one call, whatever its size. */
  static final long SCRATCH_BYTES = PACKED_BYTES + 4L * ROWS * PANEL;

  private Gemm() {}

  /** A matrix somewhere in memory: element (i, j) at address + i·rowStride + j·columnStride. */
  record Matrix(long address, long rowStride, long columnStride) {
    /** Rows one after the other, {@code columns} floats each. */
    static Matrix dense(long address, int columns) {
      return new Matrix(address, 4L * columns, 4);
    }

    Matrix transposed() {
      return new Matrix(address, columnStride, rowStride);
    }

    /** Without its first rows. */
    Matrix from(int row) {
      return new Matrix(address + row * rowStride, rowStride, columnStride);
    }

    long at(int row, int column) {
      return address + row * rowStride + column * columnStride;
    }
  }

  /**
   * c [m, n] (+)= a [m, k] · b [k, n]; rows of c are contiguous.
   *
   * @param scratch address of {@link #SCRATCH_BYTES}
   */
  static void multiply(
      int m, int n, int k, Matrix a, Matrix b, Matrix c, boolean accumulate, long scratch) {
    for (int j = 0; j < n; j += WIDTH) {
      int width = Math.min(WIDTH, n - j);
      for (int p = 0; p < k; p += DEPTH) {
        int depth = Math.min(DEPTH, k - p);
        for (int panel = 0; panel < width; panel += PANEL) {
          int columns = Math.min(PANEL, width - panel);
          pack(b, p, j + panel, depth, columns, scratch + 4L * panel * depth);
        }
        block(m, j, width, p, depth, a, scratch, c, accumulate || p > 0);
      }
    }
  }

  /** A panel: depth × PANEL, missing columns zero. */
  private static void pack(Matrix b, int row, int column, int depth, int columns, long to) {
    long from = b.at(row, column);
    if (b.columnStride == 4 && columns == PANEL) {
      packRows(from, b.rowStride, depth, to);
    } else {
      // Column by column: for b = wᵀ the columns are w's rows, read in order.
      for (int c = 0; c < PANEL; c++) {
        if (c < columns) {
          packColumn(from + c * b.columnStride, b.rowStride, depth, to + 4L * c);
        } else {
          clearColumn(depth, to + 4L * c);
        }
      }
    }
  }

  private static void packRows(long from, long rowStride, int depth, long to) {
    for (int p = 0; p < depth; p++) {
      long in = from + p * rowStride;
      long out = to + p * (4L * PANEL);
      FloatVector.fromMemorySegment(S, ALL, in, ORDER).intoMemorySegment(ALL, out, ORDER);
      FloatVector.fromMemorySegment(S, ALL, in + 4L * LANES, ORDER)
          .intoMemorySegment(ALL, out + 4L * LANES, ORDER);
    }
  }

  private static void packColumn(long from, long stride, int depth, long to) {
    for (int p = 0; p < depth; p++) {
      ALL.set(
          JAVA_FLOAT_UNALIGNED,
          to + p * (4L * PANEL),
          ALL.get(JAVA_FLOAT_UNALIGNED, from + p * stride));
    }
  }

  private static void clearColumn(int depth, long to) {
    for (int p = 0; p < depth; p++) {
      ALL.set(JAVA_FLOAT_UNALIGNED, to + p * (4L * PANEL), 0f);
    }
  }

  private static void block(
      int m,
      int column,
      int width,
      int k,
      int depth,
      Matrix a,
      long scratch,
      Matrix c,
      boolean accumulate) {
    long tile = scratch + PACKED_BYTES;
    for (int panel = 0; panel < width; panel += PANEL) {
      long packed = scratch + 4L * panel * depth;
      int columns = Math.min(PANEL, width - panel);
      for (int i = 0; i < m; i += ROWS) {
        int last = m - 1;
        // Rows beyond the last are computed as copies of it and not stored.
        sixRows(
            depth,
            a.at(i, k),
            a.at(Math.min(i + 1, last), k),
            a.at(Math.min(i + 2, last), k),
            a.at(Math.min(i + 3, last), k),
            a.at(Math.min(i + 4, last), k),
            a.at(Math.min(i + 5, last), k),
            a.columnStride,
            packed,
            tile);
        unload(
            tile, Math.min(ROWS, m - i), columns, c.at(i, column + panel), c.rowStride, accumulate);
      }
    }
  }

  private static void sixRows(
      int depth,
      long a0,
      long a1,
      long a2,
      long a3,
      long a4,
      long a5,
      long stride,
      long b,
      long tile) {
    FloatVector c00 = FloatVector.zero(S);
    FloatVector c01 = c00;
    FloatVector c10 = c00;
    FloatVector c11 = c00;
    FloatVector c20 = c00;
    FloatVector c21 = c00;
    FloatVector c30 = c00;
    FloatVector c31 = c00;
    FloatVector c40 = c00;
    FloatVector c41 = c00;
    FloatVector c50 = c00;
    FloatVector c51 = c00;
    for (int p = 0; p < depth; p++) {
      long at = p * stride;
      long from = b + p * (4L * PANEL);
      FloatVector b0 = FloatVector.fromMemorySegment(S, ALL, from, ORDER);
      FloatVector b1 = FloatVector.fromMemorySegment(S, ALL, from + 4L * LANES, ORDER);
      FloatVector x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a0 + at));
      c00 = x.fma(b0, c00);
      c01 = x.fma(b1, c01);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a1 + at));
      c10 = x.fma(b0, c10);
      c11 = x.fma(b1, c11);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a2 + at));
      c20 = x.fma(b0, c20);
      c21 = x.fma(b1, c21);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a3 + at));
      c30 = x.fma(b0, c30);
      c31 = x.fma(b1, c31);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a4 + at));
      c40 = x.fma(b0, c40);
      c41 = x.fma(b1, c41);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a5 + at));
      c50 = x.fma(b0, c50);
      c51 = x.fma(b1, c51);
    }
    store(c00, c01, tile);
    store(c10, c11, tile + 4L * PANEL);
    store(c20, c21, tile + 8L * PANEL);
    store(c30, c31, tile + 12L * PANEL);
    store(c40, c41, tile + 16L * PANEL);
    store(c50, c51, tile + 20L * PANEL);
  }

  private static void store(FloatVector x, FloatVector y, long to) {
    x.intoMemorySegment(ALL, to, ORDER);
    y.intoMemorySegment(ALL, to + 4L * LANES, ORDER);
  }

  private static void unload(
      long tile, int rows, int columns, long c, long rowStride, boolean accumulate) {
    for (int r = 0; r < rows; r++) {
      for (int j = 0; j < columns; j += LANES) {
        long from = tile + 4L * (r * PANEL + j);
        long to = c + r * rowStride + 4L * j;
        FloatVector x = FloatVector.fromMemorySegment(S, ALL, from, ORDER);
        if (j + LANES <= columns) {
          if (accumulate) {
            x = x.add(FloatVector.fromMemorySegment(S, ALL, to, ORDER));
          }
          x.intoMemorySegment(ALL, to, ORDER);
        } else {
          VectorMask<Float> some = S.indexInRange(0, columns - j);
          if (accumulate) {
            x = x.add(FloatVector.fromMemorySegment(S, ALL, to, ORDER, some));
          }
          x.intoMemorySegment(ALL, to, ORDER, some);
        }
      }
    }
  }
}
