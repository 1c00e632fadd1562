package assay.backend.cpu.training;

import static assay.backend.cpu.training.Floats.ALL;
import static assay.backend.cpu.training.Floats.ORDER;
import static assay.backend.cpu.training.Floats.S;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/** Loops over one row of fp32 values at an address: what the row-wise operations are made of. */
final class Rows {
  private static final int LANES = S.length();

  private Rows() {}

  static float get(long address) {
    return ALL.get(JAVA_FLOAT_UNALIGNED, address);
  }

  static void set(long address, float value) {
    ALL.set(JAVA_FLOAT_UNALIGNED, address, value);
  }

  private static FloatVector load(long address) {
    return FloatVector.fromMemorySegment(S, ALL, address, ORDER);
  }

  private static FloatVector load(long address, VectorMask<Float> some) {
    return FloatVector.fromMemorySegment(S, ALL, address, ORDER, some);
  }

  private static VectorMask<Float> tail(int i, int n) {
    return S.indexInRange(i, n);
  }

  /** Σ x·y. */
  static float dot(long x, long y, int n) {
    FloatVector sum = FloatVector.zero(S);
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
      sum = load(x + 4L * i).fma(load(y + 4L * i), sum);
    }
    float total = sum.reduceLanes(VectorOperators.ADD);
    for (; i < n; i++) {
      total += get(x + 4L * i) * get(y + 4L * i);
    }
    return total;
  }

  /** Σ x·y·z. */
  static float dot(long x, long y, long z, int n) {
    FloatVector sum = FloatVector.zero(S);
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
      sum = load(x + 4L * i).mul(load(y + 4L * i)).fma(load(z + 4L * i), sum);
    }
    float total = sum.reduceLanes(VectorOperators.ADD);
    for (; i < n; i++) {
      total += get(x + 4L * i) * get(y + 4L * i) * get(z + 4L * i);
    }
    return total;
  }

  static float max(long x, int n) {
    FloatVector most = FloatVector.broadcast(S, Float.NEGATIVE_INFINITY);
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
      most = most.max(load(x + 4L * i));
    }
    float m = most.reduceLanes(VectorOperators.MAX);
    for (; i < n; i++) {
      m = Math.max(m, get(x + 4L * i));
    }
    return m;
  }

  /** y += x. */
  static void add(long x, long y, int n) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
      load(y + 4L * i).add(load(x + 4L * i)).intoMemorySegment(ALL, y + 4L * i, ORDER);
    }
    for (; i < n; i++) {
      set(y + 4L * i, get(y + 4L * i) + get(x + 4L * i));
    }
  }

  /** x *= factor. */
  static void scale(long x, float factor, int n) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
      load(x + 4L * i).mul(factor).intoMemorySegment(ALL, x + 4L * i, ORDER);
    }
    for (; i < n; i++) {
      set(x + 4L * i, get(x + 4L * i) * factor);
    }
  }

  /** x = exp(x · scale − shift); returns the sum. */
  static float exp(long x, float scale, float shift, int n) {
    FloatVector sum = FloatVector.zero(S);
    FloatVector minus = FloatVector.broadcast(S, -shift);
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
      FloatVector e =
          load(x + 4L * i)
              .fma(FloatVector.broadcast(S, scale), minus)
              .lanewise(VectorOperators.EXP);
      e.intoMemorySegment(ALL, x + 4L * i, ORDER);
      sum = sum.add(e);
    }
    float total = sum.reduceLanes(VectorOperators.ADD);
    if (i < n) {
      VectorMask<Float> some = tail(i, n);
      FloatVector e =
          load(x + 4L * i, some)
              .fma(FloatVector.broadcast(S, scale), minus)
              .lanewise(VectorOperators.EXP);
      e.intoMemorySegment(ALL, x + 4L * i, ORDER, some);
      total += e.reduceLanes(VectorOperators.ADD, some);
    }
    return total;
  }

  /** out = x · gain · factor. */
  static void scaledProduct(long x, long gain, float factor, long out, int n) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
      load(x + 4L * i)
          .mul(factor)
          .mul(load(gain + 4L * i))
          .intoMemorySegment(ALL, out + 4L * i, ORDER);
    }
    for (; i < n; i++) {
      set(out + 4L * i, get(x + 4L * i) * factor * get(gain + 4L * i));
    }
  }

  /** dx += inverse · (dOut·gain − x · correction). */
  static void normBackward(
      long dOut, long x, long gain, float inverse, float correction, long dx, int n) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
      load(dOut + 4L * i)
          .mul(load(gain + 4L * i))
          .sub(load(x + 4L * i).mul(correction))
          .fma(FloatVector.broadcast(S, inverse), load(dx + 4L * i))
          .intoMemorySegment(ALL, dx + 4L * i, ORDER);
    }
    for (; i < n; i++) {
      float g = get(dOut + 4L * i) * get(gain + 4L * i) - get(x + 4L * i) * correction;
      set(dx + 4L * i, get(dx + 4L * i) + inverse * g);
    }
  }

  /** sum += a · b · factor. */
  static void addProduct(long a, long b, float factor, long sum, int n) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
      load(a + 4L * i)
          .mul(factor)
          .fma(load(b + 4L * i), load(sum + 4L * i))
          .intoMemorySegment(ALL, sum + 4L * i, ORDER);
    }
    for (; i < n; i++) {
      set(sum + 4L * i, get(sum + 4L * i) + get(a + 4L * i) * factor * get(b + 4L * i));
    }
  }

  /** out = gate · sigmoid(gate) · up. */
  static void swiGlu(long gate, long up, long out, int n) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
      FloatVector g = load(gate + 4L * i);
      g.div(g.neg().lanewise(VectorOperators.EXP).add(1))
          .mul(load(up + 4L * i))
          .intoMemorySegment(ALL, out + 4L * i, ORDER);
    }
    for (; i < n; i++) {
      float g = get(gate + 4L * i);
      set(out + 4L * i, (float) (g / (1 + Math.exp(-g))) * get(up + 4L * i));
    }
  }

  /** dGate and dUp of {@link #swiGlu}; dUp may be dOut. */
  static void swiGluBackward(long gate, long up, long dOut, long dGate, long dUp, int n) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
      FloatVector g = load(gate + 4L * i);
      FloatVector d = load(dOut + 4L * i);
      FloatVector sigmoid =
          FloatVector.broadcast(S, 1f).div(g.neg().lanewise(VectorOperators.EXP).add(1));
      FloatVector silu = g.mul(sigmoid);
      // silu' = sigmoid · (1 + g · (1 − sigmoid)) = sigmoid + silu − silu · sigmoid
      FloatVector slope = sigmoid.add(silu).sub(silu.mul(sigmoid));
      d.mul(load(up + 4L * i)).mul(slope).intoMemorySegment(ALL, dGate + 4L * i, ORDER);
      d.mul(silu).intoMemorySegment(ALL, dUp + 4L * i, ORDER);
    }
    for (; i < n; i++) {
      float g = get(gate + 4L * i);
      float d = get(dOut + 4L * i);
      float sigmoid = (float) (1 / (1 + Math.exp(-g)));
      float silu = g * sigmoid;
      set(dGate + 4L * i, d * get(up + 4L * i) * (sigmoid + silu - silu * sigmoid));
      set(dUp + 4L * i, d * silu);
    }
  }

  /** x[0, half) and x[half, 2·half) rotated by the angles' cosines and sines. */
  static void rotate(long x, long cosines, long sines, float direction, int half) {
    for (int i = 0; i < half; i++) {
      float a = get(x + 4L * i);
      float b = get(x + 4L * (half + i));
      float c = get(cosines + 4L * i);
      float s = direction * get(sines + 4L * i);
      set(x + 4L * i, a * c - b * s);
      set(x + 4L * (half + i), b * c + a * s);
    }
  }

  /** p = p ⊙ (d − delta) · scale, written over d. */
  static void softmaxBackward(long p, long d, float delta, float scale, int n) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
      load(d + 4L * i)
          .sub(delta)
          .mul(load(p + 4L * i))
          .mul(scale)
          .intoMemorySegment(ALL, d + 4L * i, ORDER);
    }
    for (; i < n; i++) {
      set(d + 4L * i, (get(d + 4L * i) - delta) * get(p + 4L * i) * scale);
    }
  }

  static void clear(long x, int n) {
    for (int i = 0; i < n; i++) {
      set(x + 4L * i, 0f);
    }
  }
}
