package assay.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import assay.backend.Lab;
import assay.backend.cuda.MatrixOps.GemvPath;
import assay.backend.reference.ReferenceBackend;
import assay.model.Activation;
import assay.model.DType;
import assay.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * {@code kernels/gemv.cuh} and {@code kernels/gemv_mma.cu}: every variant on rows of whole vectors
 * and of any length, with bias, accumulation, several warps a row and the gated form, against sums
 * in double over the weights as stored.
 */
class HostGemvTest {
  private static final double F32 = 0x1p-24;
  private static final float WEIGHT_SCALE = 0.375f;

  /** Rows of the matrix (even: gate and up), columns. 4096: several warps share a row. */
  private static final List<int[]> SHAPES =
      List.of(
          new int[] {2, 1},
          new int[] {26, 13},
          new int[] {58, 207},
          new int[] {6, 4098},
          new int[] {34, 256},
          new int[] {10, 4096});

  private static double rounding(DType type) {
    return type == DType.BF16 ? 0x1p-8 : type == DType.F16 ? 0x1p-11 : F32;
  }

  /** One product: what goes in, and expected sums with their magnitudes. */
  private static final class Product {
    final int n;
    final int rows;
    final double[][] sum;
    final double[][] magnitude;
    final float[] x;
    final float[] weight;

    Product(DType type, DType activations, int n, int rows, int columns, Lab judge) {
      this.n = n;
      this.rows = rows;
      Tensor xs = judge.floats(activations, n, columns, Lab.random(1, n * columns));
      x = judge.read(xs);
      weight = Lab.random(2, rows * columns);
      Tensor stored = judge.weight(type, rows, columns, weight);
      float scale = type == DType.F8E4M3 ? WEIGHT_SCALE : 1;
      float[] values = judge.read(stored);
      sum = new double[n][rows];
      magnitude = new double[n][rows];
      for (int r = 0; r < n; r++) {
        for (int o = 0; o < rows; o++) {
          for (int i = 0; i < columns; i++) {
            double term = (double) x[r * columns + i] * values[o * columns + i] * scale;
            sum[r][o] += term;
            magnitude[r][o] += Math.abs(term);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "F16", "BF16", "F8E4M3", "Q8_0", "Q4_0"})
  void multiplies(DType type) {
    int schedule = 0;
    int onTensorCores = 0;
    for (DType activations : new DType[] {DType.F32, DType.F16, DType.BF16}) {
      try (HostKernelBackend host = new HostKernelBackend(new HostKernels(schedule++), true);
          Lab lab = new Lab(host);
          Lab judge = new Lab(new ReferenceBackend())) {
        for (int[] shape : SHAPES) {
          for (int n : new int[] {1, 5}) {
            Product p = new Product(type, activations, n, shape[0], shape[1], judge);
            Tensor x = lab.floats(activations, n, shape[1], p.x);
            Tensor w = lab.weight(type, shape[0], shape[1], p.weight);
            w = type == DType.F8E4M3 ? w.scaledBy(WEIGHT_SCALE) : w;
            String what =
                "%s·%s %s, %d rows".formatted(type, activations, List.of(shape[0], shape[1]), n);
            host.matrices().gemvPath(GemvPath.CUDA_CORES);
            plain(lab, host.matrices(), p, x, w, what);
            gated(lab, host.matrices(), p, x, w, what);
            host.matrices().gemvPath(GemvPath.TENSOR_CORES);
            if (host.matrices().onTensorCores(x, w)) {
              onTensorCores++;
              plain(lab, host.matrices(), p, x, w, what + " on tensor cores");
              gated(lab, host.matrices(), p, x, w, what + " on tensor cores");
            }
          }
        }
      }
    }
    // 256 and 4096 columns, 1 and 5 rows, with each type of activations that has a kernel.
    int kernels = type == DType.F32 ? 0 : type == DType.F8E4M3 ? 2 : 1;
    assertEquals(4 * kernels, onTensorCores);
  }

  /** A NaN among fp8 weights reaches its row's results and no others. */
  @Test
  void fp8NaNsAreSeen() {
    for (DType activations : new DType[] {DType.F16, DType.BF16}) {
      try (HostKernelBackend host = new HostKernelBackend(new HostKernels(1), true);
          Lab lab = new Lab(host)) {
        float[] weight = Lab.random(1, 18 * 128);
        weight[3 * 128 + 77] = Float.NaN;
        weight[17 * 128] = Float.NaN;
        Tensor w = lab.weight(DType.F8E4M3, 18, 128, weight);
        Tensor x = lab.floats(activations, 3, 128, Lab.random(2, 3 * 128));
        for (GemvPath path : List.of(GemvPath.CUDA_CORES, GemvPath.TENSOR_CORES)) {
          host.matrices().gemvPath(path);
          Tensor out = lab.floats(DType.F32, 3, 18, new float[3 * 18]);
          host.matrices().gemv(x, w, null, false, out);
          float[] actual = lab.read(out);
          for (int i = 0; i < actual.length; i++) {
            assertEquals(i % 18 == 3 || i % 18 == 17, Float.isNaN(actual[i]), path + " " + i);
          }
        }
      }
    }
  }

  /** Any order of fp32 sums of so many terms, and the steps from the sum to what is stored. */
  private static double bound(Product p, int r, int o, double value, DType out) {
    int columns = p.x.length / p.n;
    return (columns + 8) * F32 * (p.magnitude[r][o] + Math.abs(value) + 1)
        + rounding(out) * Math.abs(value);
  }

  /**
   * out in columns 3 … of wider rows, in the activations' type and in fp32, and once onto itself.
   */
  private static void plain(
      Lab lab, MatrixOps matrices, Product p, Tensor x, Tensor w, String what) {
    float[] bias = Lab.random(3, p.rows);
    Tensor b = lab.floats(DType.F32, 1, p.rows, bias);
    for (DType outType : List.of(x.type(), DType.F32)) {
      Tensor wide = lab.poisoned(outType, p.n, p.rows + 5);
      Tensor out = wide.columns(3, p.rows);
      matrices.gemv(x, w, b, false, out);
      float[] first = lab.read(out);
      matrices.gemv(x, w, null, true, out);
      float[] second = lab.read(out);
      for (int r = 0; r < p.n; r++) {
        for (int o = 0; o < p.rows; o++) {
          int at = r * p.rows + o;
          double expected = p.sum[r][o] + bias[o];
          check(what, at, first[at], expected, bound(p, r, o, expected, outType));
          double twice = first[at] + p.sum[r][o];
          check(what + ", accumulated", at, second[at], twice, bound(p, r, o, twice, outType));
        }
      }
      untouched(lab, wide.columns(0, 3), what);
      untouched(lab, wide.columns(p.rows + 3, 2), what);
    }
  }

  private static void gated(
      Lab lab, MatrixOps matrices, Product p, Tensor x, Tensor w, String what) {
    int width = p.rows / 2;
    float[] bias = Lab.random(4, p.rows);
    Tensor wide = lab.poisoned(x.type(), p.n, width + 5);
    Tensor out = wide.columns(3, width);
    matrices.gemvGlu(x, w, lab.floats(DType.F32, 1, p.rows, bias), Activation.SILU, out);
    float[] actual = lab.read(out);
    for (int r = 0; r < p.n; r++) {
      for (int o = 0; o < width; o++) {
        double gate = p.sum[r][o] + bias[o];
        double up = p.sum[r][width + o] + bias[width + o];
        double silu = gate / (1 + Math.exp(-gate));
        // SiLU's slope is at most 1.1; its own error is a few units in the last place of the gate.
        double gateError = 1.1 * bound(p, r, o, gate, DType.F32) + 8 * F32 * Math.abs(gate);
        double upError = bound(p, r, width + o, up, DType.F32);
        double expected = silu * up;
        double bound =
            gateError * Math.abs(up)
                + upError * Math.abs(silu)
                + gateError * upError
                + rounding(x.type()) * Math.abs(expected)
                + 0x1p-25; // half of the smallest fp16
        check(what + ", gated", r * width + o, actual[r * width + o], expected, bound);
      }
    }
    untouched(lab, wide.columns(0, 3), what);
    untouched(lab, wide.columns(width + 3, 2), what);
  }

  private static void check(String what, int i, float actual, double expected, double bound) {
    if (!(Math.abs(actual - expected) <= bound)) {
      throw new AssertionError(
          "%s: element %d is %s, expected %s within %.3g"
              .formatted(what, i, actual, expected, bound));
    }
  }

  private static void untouched(Lab lab, Tensor border, String what) {
    for (float f : lab.read(border)) {
      if (!Float.isNaN(f)) {
        throw new AssertionError(what + ": wrote " + f + " beside its columns");
      }
    }
  }
}
