package assay.backend.cpu.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.model.Activation;
import assay.model.NormKind;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Row operations against fp64, with a guard behind every output. */
abstract class AbstractRowKernelsTest {
  private static final int SEED = 11;
  private static final float GUARD = 4711;
  private static final double ULP = 0x1p-23;

  private Kernels kernels;
  private RowKernels rows;
  private Arena arena;
  private Random random;

  /** The kernels under test. */
  abstract Kernels kernels();

  @BeforeEach
  void open() {
    kernels = kernels();
    rows = kernels.rows();
    arena = Arena.ofConfined();
    random = new Random(SEED);
  }

  @AfterEach
  void close() {
    arena.close();
    kernels.close();
  }

  private float[] gaussian(int count, double deviation) {
    float[] out = new float[count];
    for (int i = 0; i < count; i++) {
      out[i] = (float) (random.nextGaussian() * deviation);
    }
    return out;
  }

  /** In memory, with a guard behind. */
  private MemorySegment memory(float[] values) {
    MemorySegment m = arena.allocate(4L * values.length + 4, 4);
    MemorySegment.copy(values, 0, m, ValueLayout.JAVA_FLOAT, 0, values.length);
    m.setAtIndex(ValueLayout.JAVA_FLOAT, values.length, GUARD);
    return m;
  }

  private static float at(MemorySegment m, int i) {
    return m.getAtIndex(ValueLayout.JAVA_FLOAT, i);
  }

  private static void check(String what, float got, double want, double bound) {
    assertTrue(
        Math.abs(got - want) <= bound,
        () -> "%s, seed %d: %s for %s ± %.3g".formatted(what, SEED, got, want, bound));
  }

  private static void guarded(MemorySegment m, int count) {
    assertEquals(GUARD, at(m, count), "wrote too far");
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 13, 16, 17, 207, 288, 4098})
  void addAndScale(int n) {
    float[] x = gaussian(n, 1);
    float[] y = gaussian(n, 1);
    MemorySegment a = memory(x);
    MemorySegment out = memory(new float[n]);
    rows.add(a.address(), memory(y).address(), n);
    rows.scale(a.address(), 0.3f, n, out.address());
    for (int i = 0; i < n; i++) {
      assertEquals(x[i] + y[i], at(a, i));
      assertEquals((x[i] + y[i]) * 0.3f, at(out, i));
    }
    guarded(a, n);
    guarded(out, n);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 13, 16, 17, 207, 288, 4098})
  void norms(int n) {
    for (NormKind kind : NormKind.values()) {
      float[] x = gaussian(n, 3);
      float[] g = gaussian(n, 1);
      MemorySegment out = memory(new float[n]);
      rows.norm(kind, memory(x).address(), memory(g).address(), 1e-5f, n, out.address());
      double mean = 0;
      double largest = 0;
      for (int i = 0; kind == NormKind.LAYER && i < n; i++) {
        mean += (double) x[i] / n;
        largest = Math.max(largest, Math.abs(x[i]));
      }
      double squares = 0;
      for (float v : x) {
        squares += (v - mean) * (v - mean) / n;
      }
      double scale = 1 / Math.sqrt(squares + 1e-5f);
      for (int i = 0; i < n; i++) {
        double want = (x[i] - mean) * scale * g[i];
        // Sums of n terms in at least 4 lanes, then root, quotient and two products; the mean is
        // off by
        // as many units of the largest element.
        double bound =
            Math.abs(want) * ULP * (n / 8.0 + 8)
                + Math.abs(scale * g[i]) * largest * ULP * (n / 8.0 + 8);
        check(kind + " " + n + "[" + i + "]", at(out, i), want, bound);
      }
      guarded(out, n);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 16, 24, 32, 48, 64, 128})
  void rope(int headDim) {
    int heads = 3;
    int half = headDim / 2;
    float[] x = gaussian(heads * headDim, 1);
    float[] table = gaussian(headDim, 1);
    MemorySegment m = memory(x);
    rows.rope(m.address(), heads, headDim, memory(table).address());
    for (int h = 0; h < heads; h++) {
      for (int i = 0; i < half; i++) {
        double a = x[h * headDim + i];
        double b = x[h * headDim + half + i];
        double bound = 2 * ULP * (Math.abs(a) + Math.abs(b)) * 4;
        check("low", at(m, h * headDim + i), a * table[i] - b * table[half + i], bound);
        check("high", at(m, h * headDim + half + i), b * table[i] + a * table[half + i], bound);
      }
    }
    guarded(m, heads * headDim);
  }

  private static double closedForm(Activation activation, double x) {
    return switch (activation) {
      case SILU -> x / (1 + Math.exp(-x));
      // 0.5·x·(1 + tanh u), without its cancellation for u far below 0.
      case GELU_TANH ->
          x / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
      case RELU -> Math.max(0, x);
      case SIGMOID -> 1 / (1 + Math.exp(-x));
      case TANH -> Math.tanh(x);
      case HARDSWISH -> x * Math.min(Math.max(x + 3, 0), 6) / 6;
      case GELU_ERF -> throw new IllegalArgumentException("the JDK has no erf");
    };
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 16, 207})
  void activations(int n) {
    for (Activation activation : Activation.values()) {
      if (activation == Activation.GELU_ERF) {
        continue;
      }
      for (boolean gated : new boolean[] {false, true}) {
        for (double deviation : new double[] {1e-3, 1, 30, 1e4}) {
          float[] x = gaussian(n, deviation);
          float[] up = gaussian(n, 1);
          MemorySegment out = memory(new float[n]);
          long gate = gated ? memory(up).address() : 0;
          rows.activate(activation, memory(x).address(), gate, n, out.address());
          for (int i = 0; i < n; i++) {
            double want = closedForm(activation, x[i]) * (gated ? up[i] : 1);
            // The exponent's argument is rounded too, which costs |u| units; below 1e-30 nothing
            // counts.
            double u =
                Math.min(110, 2 * Math.abs((double) x[i]) * (1 + x[i] * (double) x[i] * 0.05));
            double bound = Math.abs(want) * ULP * (16 + 2 * u) + 1e-30;
            check(activation + " of " + x[i], at(out, i), want, bound);
          }
          guarded(out, n);
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 13, 16, 17, 207, 512})
  void softmaxParts(int n) {
    float[] x = gaussian(n, 4);
    x[n / 2] = Float.NEGATIVE_INFINITY;
    x[0] = 9;
    float max = rows.max(memory(x).address(), n);
    float largest = Float.NEGATIVE_INFINITY;
    for (float v : x) {
      largest = Math.max(largest, v);
    }
    assertEquals(largest, max);
    MemorySegment m = memory(x);
    float sum = rows.expMinus(m.address(), max, n);
    double total = 0;
    for (int i = 0; i < n; i++) {
      double want = Math.exp((double) x[i] - max);
      // The difference is rounded before the exponential.
      double rounding = i == n / 2 ? 0 : Math.abs((double) x[i] - max);
      check("exp " + x[i], at(m, i), want, want * ULP * (4 + rounding) + 1e-37);
      total += want;
    }
    check("sum", sum, total, total * ULP * (n / 4.0 + 40));
    guarded(m, n);
    x[n - 1] = Float.NaN;
    assertTrue(Float.isNaN(rows.max(memory(x).address(), n)), "a NaN passed over");
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 13, 16, 24, 48, 64, 80, 128, 256, 272})
  void scoresAndWeightedSums(int width) {
    int count = 5;
    float[] query = gaussian(width, 1);
    float[] keys = gaussian(count * width, 1);
    MemorySegment out = memory(new float[count]);
    MemorySegment keysInMemory = memory(keys);
    rows.scores(
        memory(query).address(), keysInMemory.address(), count, width, 0.25f, out.address());
    float[] weights = gaussian(count, 1);
    float[] before = gaussian(width, 1);
    MemorySegment sums = memory(before);
    rows.addWeighted(
        memory(weights).address(), keysInMemory.address(), count, width, sums.address());
    for (int j = 0; j < count; j++) {
      double dot = 0;
      double magnitude = 0;
      for (int i = 0; i < width; i++) {
        dot += (double) query[i] * keys[j * width + i];
        magnitude += Math.abs((double) query[i] * keys[j * width + i]);
      }
      check("score", at(out, j), 0.25 * dot, 0.25 * magnitude * ULP * (width / 4.0 + 4));
    }
    for (int i = 0; i < width; i++) {
      double sum = before[i];
      double magnitude = Math.abs(before[i]);
      for (int j = 0; j < count; j++) {
        sum += (double) weights[j] * keys[j * width + i];
        magnitude += Math.abs((double) weights[j] * keys[j * width + i]);
      }
      check("sum", at(sums, i), sum, magnitude * ULP * (count + 2));
    }
    guarded(out, count);
    guarded(sums, width);
  }
}
