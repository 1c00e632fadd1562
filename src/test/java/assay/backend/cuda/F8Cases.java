package assay.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.Lab;
import assay.backend.SessionShape;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.NumberFormat;
import assay.model.Precision;
import assay.tensor.Arena;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import java.util.Random;

/** Products of activations rounded to e4m3 with e4m3 weights, against sums in fp64. */
final class F8Cases {
  static final ModelConfig WIDE = config(208, 4112);

  private F8Cases() {}

  static ModelConfig config(int hidden, int inner) {
    return ModelConfig.builder("f8", "llama")
        .size(1, hidden, inner)
        .heads(13, 13, 16)
        .tokens(320, 64)
        .build();
  }

  /** A session's scratch for passes of so many rows, handed over. */
  static Arena reserve(CudaBackend backend, Precision p, ModelConfig c, int rows) {
    SessionShape shape = new SessionShape(c, p, 1, rows, rows, 1);
    Arena arena = backend.newArena(MemoryCategory.WORKSPACE, backend.workspaceBytes(shape));
    backend.reserveWorkspace(shape, arena);
    return arena;
  }

  private static float bf16(double value) {
    return NumberFormat.fromBf16(NumberFormat.toBf16((float) value));
  }

  /** Rows of very different sizes, a row of zeros, one of the smallest numbers. */
  static float[] rows(int n, int width) {
    float[] out = new float[n * width];
    Random r = new Random(n);
    for (int i = 0; i < out.length; i++) {
      int row = i / width;
      double size = row == 1 ? 0 : row == 2 ? 0x1p-120 : Math.pow(10, row % 9 - 4);
      out[i] = bf16(r.nextGaussian() * size);
    }
    return out;
  }

  static double factor(float[] x, int row, int width) {
    float largest = 0;
    for (int i = 0; i < width; i++) {
      largest = Math.max(largest, Math.abs(x[row * width + i]));
    }
    double f = 0x1p-126;
    while (largest > 448 * f) {
      f *= 2;
    }
    return f;
  }

  /**
   * What the stand-in must give: sums in fp64 of e4m3 numbers, rounded once to the result's type.
   */
  static float expected(
      float[] x, int row, float[] w, int output, int width, float scale, DType type) {
    double f = factor(x, row, width);
    double sum = 0;
    for (int i = 0; i < width; i++) {
      byte code = NumberFormat.toF8E4M3((float) (x[row * width + i] / f));
      sum += (double) NumberFormat.fromF8E4M3(code) * w[output * width + i];
    }
    double product = scale * sum;
    return (float) ((type == DType.BF16 ? bf16(product) : (float) product) * f);
  }

  static float[] codes(int n) {
    float[] out = Lab.random(n, n);
    for (int i = 0; i < n; i++) {
      out[i] = NumberFormat.fromF8E4M3(NumberFormat.toF8E4M3(100 * out[i]));
    }
    return out;
  }

  /**
   * Many shapes in a session of fp8, and no scratch but the session's.
   *
   * @param widths multiples of 16
   * @param sumError of a device's sum, relative to the sum of the magnitudes of its terms
   */
  static void products(CudaBackend backend, int[] widths, double sumError) {
    try (Lab lab = new Lab(backend);
        Arena scratch = reserve(backend, Precision.FP8, WIDE, 207)) {
      long own = backend.memoryBooks().scratchBytes();
      for (int width : widths) {
        for (int outputs : new int[] {16, 48}) {
          for (int n : new int[] {9, 13, width == 208 ? 207 : 10}) {
            products(lab, n, width, outputs, sumError);
          }
        }
      }
      assertEquals(own, backend.memoryBooks().scratchBytes(), "no scratch but the session's");
      assertTrue(scratch.reservedBytes() > 0);
    }
  }

  private static void products(Lab lab, int n, int width, int outputs, double sumError) {
    float scale = 0.0037f;
    float[] w = codes(outputs * width);
    Tensor weight = lab.weight(DType.F8E4M3, outputs, width, w).scaledBy(scale);
    float[] x = rows(n, width);
    Tensor xs = lab.floats(DType.BF16, n, width, x);
    for (DType type : new DType[] {DType.BF16, DType.F32}) {
      Tensor out = lab.poisoned(type, n, outputs);
      lab.backend().matmul(xs, weight, out, false);
      float[] actual = lab.read(out);
      for (int i = 0; i < actual.length; i++) {
        float e = expected(x, i / outputs, w, i % outputs, width, scale, type);
        double terms =
            factor(x, i / outputs, width) * scale * terms(x, i / outputs, w, i % outputs, width);
        // Where the device's sum differs, it may also round to the neighbour.
        double bound =
            sumError == 0
                ? 0
                : sumError * terms + Math.abs(e) * (type == DType.BF16 ? 0x1p-8 : 0x1p-23);
        assertEquals(
            e, actual[i], bound, "%s [%d, %d]: row %d".formatted(type, n, width, i / outputs));
      }
    }
  }

  /** The sum of the magnitudes of a product's terms, before factors. */
  private static double terms(float[] x, int row, float[] w, int output, int width) {
    double f = factor(x, row, width);
    double sum = 0;
    for (int i = 0; i < width; i++) {
      sum += Math.abs(x[row * width + i] / f * w[output * width + i]);
    }
    return sum;
  }
}
