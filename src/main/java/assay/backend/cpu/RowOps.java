package assay.backend.cpu;

import static assay.backend.cpu.kernel.RawMemory.ALL;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import assay.backend.cpu.kernel.VectorMath;
import assay.model.Activation;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Operations on single rows of fp32 at absolute addresses, in the Vector API. Sums are fp32, one
 * per lane and more.
 */
final class RowOps {
  private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
  private static final int L = F.length();

  private RowOps() {}

  /** Width of the vectors. */
  static int vectorBits() {
    return F.vectorBitSize();
  }

  /** {@code count − i} elements at most, zeros behind them. */
  private static FloatVector load(long address, int i, int count) {
    long at = address + 4L * i;
    return i + L <= count
        ? FloatVector.fromMemorySegment(F, ALL, at, LITTLE_ENDIAN)
        : FloatVector.fromMemorySegment(F, ALL, at, LITTLE_ENDIAN, F.indexInRange(i, count));
  }

  private static void store(FloatVector v, long address, int i, int count) {
    long at = address + 4L * i;
    if (i + L <= count) {
      v.intoMemorySegment(ALL, at, LITTLE_ENDIAN);
    } else {
      v.intoMemorySegment(ALL, at, LITTLE_ENDIAN, F.indexInRange(i, count));
    }
  }

  /** x += delta. */
  static void add(long x, long delta, int count) {
    for (int i = 0; i < count; i += L) {
      store(load(x, i, count).add(load(delta, i, count)), x, i, count);
    }
  }

  /** out = x · gain / √(mean x² + eps); out may be x. */
  static void rmsNorm(long x, long gain, float eps, int count, long out) {
    float scale = (float) (1 / Math.sqrt((double) squares(x, 0, count) / count + eps));
    for (int i = 0; i < count; i += L) {
      store(load(x, i, count).mul(scale).mul(load(gain, i, count)), out, i, count);
    }
  }

  /** out = (x − mean) · gain / √(variance + eps) + bias; out may be x. */
  static void layerNorm(long x, long gain, float eps, int count, long out) {
    float mean = sum(x, count) / count;
    float scale = (float) (1 / Math.sqrt((double) squares(x, mean, count) / count + eps));
    for (int i = 0; i < count; i += L) {
      store(load(x, i, count).sub(mean).mul(scale).mul(load(gain, i, count)), out, i, count);
    }
  }

  private static float sum(long x, int count) {
    FloatVector s = FloatVector.zero(F);
    for (int i = 0; i < count; i += L) {
      s = s.add(load(x, i, count));
    }
    return s.reduceLanes(VectorOperators.ADD);
  }

  /** Σ (x − mean)². */
  private static float squares(long x, float mean, int count) {
    FloatVector s0 = FloatVector.zero(F);
    FloatVector s1 = s0;
    int i = 0;
    for (; i + 2 * L <= count; i += 2 * L) {
      FloatVector a = load(x, i, count).sub(mean);
      FloatVector b = load(x, i + L, count).sub(mean);
      s0 = a.fma(a, s0);
      s1 = b.fma(b, s1);
    }
    for (; i < count; i += L) {
      FloatVector a = load(x, i, count).sub(mean);
      if (i + L > count) {
        a = a.blend(0, F.indexInRange(i, count).not());
      }
      s0 = a.fma(a, s0);
    }
    return s0.add(s1).reduceLanes(VectorOperators.ADD);
  }

  /**
   * Rotates elements i and i + half of one head by the angles whose cosines and then sines are at
   * {@code table}.
   */
  static void rope(long x, int half, long table) {
    for (int i = 0; i < half; i += L) {
      FloatVector a = load(x, i, half);
      FloatVector b = load(x + 4L * half, i, half);
      FloatVector cos = load(table, i, half);
      FloatVector sin = load(table + 4L * half, i, half);
      store(a.mul(cos).sub(b.mul(sin)), x, i, half);
      store(b.mul(cos).add(a.mul(sin)), x + 4L * half, i, half);
    }
  }

  /** out = act(x) or, gated, act(x) ⊙ gate; {@code up} is 0 where not gated. */
  static void activate(Activation activation, long x, long up, int count, long out) {
    switch (activation) {
      case SILU -> silu(x, up, count, out);
      case GELU_TANH -> geluTanh(x, up, count, out);
      default -> other(activation, x, up, count, out);
    }
  }

  private static void put(FloatVector v, long up, int i, int count, long out) {
    store(up == 0 ? v : v.mul(load(up, i, count)), out, i, count);
  }

  private static void silu(long x, long up, int count, long out) {
    for (int i = 0; i < count; i += L) {
      FloatVector v = load(x, i, count);
      put(v.div(VectorMath.exp(v.neg()).add(1)), up, i, count, out);
    }
  }

  private static void geluTanh(long x, long up, int count, long out) {
    float c = (float) Math.sqrt(2 / Math.PI);
    for (int i = 0; i < count; i += L) {
      FloatVector v = load(x, i, count);
      FloatVector u = v.mul(v).mul(v).mul(0.044715f).add(v).mul(c);
      put(v.mul(0.5f).mul(VectorMath.tanh(u).add(1)), up, i, count, out);
    }
  }

  private static void other(Activation activation, long x, long up, int count, long out) {
    for (int i = 0; i < count; i += L) {
      FloatVector v = load(x, i, count);
      FloatVector y =
          switch (activation) {
            case SILU, GELU_TANH -> throw new IllegalStateException("has its own loop");
            case GELU_ERF -> {
              FloatVector erf = VectorMath.erf(v.mul((float) Math.sqrt(0.5)));
              yield v.mul(0.5f).mul(erf.add(1));
            }
            case RELU -> v.max(0);
            case SIGMOID -> VectorMath.sigmoid(v);
            case TANH -> VectorMath.tanh(v);
            case HARDSWISH -> v.mul(v.add(3).max(0).min(6)).div(6);
          };
      put(y, up, i, count, out);
    }
  }

  /** The largest element; NaN if there is one. */
  static float max(long x, int count) {
    FloatVector m = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
    int i = 0;
    for (; i + L <= count; i += L) {
      m = m.max(load(x, i, count));
    }
    float max = m.reduceLanes(VectorOperators.MAX);
    for (; i < count; i++) {
      max = Math.max(max, assay.backend.cpu.kernel.RawMemory.getFloat(x + 4L * i));
    }
    return max;
  }

  /** x = e^(x − max) and their sum; elements of −∞ become 0. */
  static float expMinus(long x, float max, int count) {
    FloatVector s = FloatVector.zero(F);
    for (int i = 0; i < count; i += L) {
      // Masked always: what a branch chooses between would be made on the heap.
      VectorMask<Float> m = F.indexInRange(i, count);
      long at = x + 4L * i;
      FloatVector e =
          VectorMath.exp(FloatVector.fromMemorySegment(F, ALL, at, LITTLE_ENDIAN, m).sub(max));
      e.intoMemorySegment(ALL, at, LITTLE_ENDIAN, m);
      s = s.add(e, m);
    }
    return s.reduceLanes(VectorOperators.ADD);
  }

  /** x *= factor. */
  static void scale(long x, float factor, int count) {
    for (int i = 0; i < count; i += L) {
      store(load(x, i, count).mul(factor), x, i, count);
    }
  }

  /** out = x · factor. */
  static void scaled(long x, float factor, int count, long out) {
    for (int i = 0; i < count; i += L) {
      store(load(x, i, count).mul(factor), out, i, count);
    }
  }

  /** Σ a · b. */
  static float dot(long a, long b, int count) {
    FloatVector s = FloatVector.zero(F);
    for (int i = 0; i < count; i += L) {
      s = load(a, i, count).fma(load(b, i, count), s);
    }
    return s.reduceLanes(VectorOperators.ADD);
  }

  /** out (+)= Σ_j weights[j] · rows[j], rows {@code rowBytes} apart. */
  static void weightedSum(
      long weights, int rows, long matrix, long rowBytes, int count, boolean add, long out) {
    for (int i = 0; i < count; i += L) {
      FloatVector s0 = add ? load(out, i, count) : FloatVector.zero(F);
      FloatVector s1 = FloatVector.zero(F);
      int j = 0;
      for (; j + 2 <= rows; j += 2) {
        long at = matrix + j * rowBytes;
        s0 = load(at, i, count).fma(weight(weights, j), s0);
        s1 = load(at + rowBytes, i, count).fma(weight(weights, j + 1), s1);
      }
      if (j < rows) {
        s0 = load(matrix + j * rowBytes, i, count).fma(weight(weights, j), s0);
      }
      store(s0.add(s1), out, i, count);
    }
  }

  private static FloatVector weight(long weights, int j) {
    return FloatVector.broadcast(F, assay.backend.cpu.kernel.RawMemory.getFloat(weights + 4L * j));
  }
}
