package assay.engine.quantize;

import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.NumberFormat;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.apache.commons.math3.linear.Array2DRowRealMatrix;
import org.apache.commons.math3.linear.CholeskyDecomposition;
import org.apache.commons.math3.linear.RealMatrix;

/**
 * Layer-wise quantisation by GPTQ (Frantar et al. 2023, algorithm 1): columns are rounded one after
 * another, and what rounding one column does to the layer's output is made up for by the columns
 * not rounded yet, with H = Σ x·xᵀ of the layer's inputs telling how. The result is in the ordinary
 * block format: the same bits and bytes as plain rounding.
 */
public final class Gptq {
  /** Share of the mean diagonal added to H, as in the paper. */
  private static final double DAMPING = 0.01;

  private final DType type;
  private final double[][] upper;

  /**
   * Prepares for matrices that see these inputs.
   *
   * @param type Q8_0 or Q4_0
   * @param moments lower triangle of Σ x·xᵀ, [columns][columns]
   */
  public Gptq(DType type, double[][] moments) {
    if (type != DType.Q4_0 && type != DType.Q8_0) {
      throw new IllegalArgumentException("no layer-wise rounding to " + type);
    }
    this.type = type;
    this.upper = upperOfInverse(moments);
  }

  /** U with H⁻¹ = Uᵀ·U: row j holds how the error of column j is spread over the later columns. */
  private static double[][] upperOfInverse(double[][] lower) {
    int n = lower.length;
    double trace = 0;
    for (int i = 0; i < n; i++) {
      trace += lower[i][i];
    }
    double damping = Math.max(DAMPING * trace / n, 1e-12);
    double[][] full = new double[n][n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j <= i; j++) {
        full[i][j] = lower[i][j];
        full[j][i] = lower[i][j];
      }
      full[i][i] += damping;
    }
    RealMatrix h = new Array2DRowRealMatrix(full, false);
    RealMatrix inverse = new CholeskyDecomposition(h, 1e-6, 0).getSolver().getInverse();
    return new CholeskyDecomposition(inverse, 1e-6, 0).getLT().getData();
  }

  /** Rounds one row of a matrix and writes it in the block format. {@code row} is destroyed. */
  public void quantizeRow(double[] row, MemorySegment out, long offset) {
    int columns = row.length;
    int group = type.blockElements();
    float[] codes = new float[group];
    for (int first = 0; first < columns; first += group) {
      int end = Math.min(columns, first + group);
      float d = scale(row, first, end);
      for (int j = first; j < end; j++) {
        double q = code(row[j], d);
        codes[j - first] = (float) q;
        double error = (row[j] - q * d) / upper[j][j];
        for (int k = j + 1; k < columns; k++) {
          row[k] -= error * upper[j][k];
        }
      }
      java.util.Arrays.fill(codes, end - first, group, 0);
      store(codes, d, out, offset + (long) (first / group) * type.blockBytes());
    }
  }

  /** The group's scale as it is stored, in fp16. */
  private float scale(double[] row, int first, int end) {
    double extreme = 0;
    for (int j = first; j < end; j++) {
      if (Math.abs(row[j]) > Math.abs(extreme)) {
        extreme = row[j];
      }
    }
    double d = type == DType.Q8_0 ? Math.abs(extreme) / 127 : extreme / -8;
    return NumberFormat.fromF16(NumberFormat.toF16((float) d));
  }

  private double code(double value, float d) {
    if (d == 0) {
      return 0;
    }
    double q = Math.rint(value / d);
    return type == DType.Q8_0 ? Math.clamp(q, -127, 127) : Math.clamp(q, -8, 7);
  }

  private void store(float[] codes, float d, MemorySegment out, long at) {
    var halves =
        java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(
            java.nio.ByteOrder.LITTLE_ENDIAN);
    out.set(halves, at, NumberFormat.toF16(d));
    for (int i = 0; i < 16; i++) {
      if (type == DType.Q8_0) {
        out.set(java.lang.foreign.ValueLayout.JAVA_BYTE, at + 2 + i, (byte) codes[i]);
        out.set(java.lang.foreign.ValueLayout.JAVA_BYTE, at + 18 + i, (byte) codes[i + 16]);
      } else {
        int low = (int) codes[i] + 8;
        int high = (int) codes[i + 16] + 8;
        out.set(java.lang.foreign.ValueLayout.JAVA_BYTE, at + 2 + i, (byte) (low | high << 4));
      }
    }
  }

  /**
   * Expected squared error of a layer's output for one row: (w − ŵ)·H·(w − ŵ)ᵀ.
   *
   * @param moments lower triangle of H
   */
  public static double outputError(
      double[] row, DType type, MemorySegment stored, long offset, double[][] moments) {
    float[] back = new float[row.length];
    BlockFormat.decodeRow(type, stored, offset, row.length, back, 0);
    double error = 0;
    for (int i = 0; i < row.length; i++) {
      double di = row[i] - back[i];
      double off = 0;
      for (int j = 0; j < i; j++) {
        off += moments[i][j] * (row[j] - back[j]);
      }
      error += di * (moments[i][i] * di + 2 * off);
    }
    return error;
  }

  /** Plain rounding of a row, for comparison. */
  static MemorySegment plain(DType type, double[] row, Arena arena) {
    float[] values = new float[row.length];
    for (int i = 0; i < row.length; i++) {
      values[i] = (float) row[i];
    }
    MemorySegment out = arena.allocate(type.rowBytes(row.length), 64);
    BlockFormat.encodeRow(type, values, 0, row.length, out, 0);
    return out;
  }
}
