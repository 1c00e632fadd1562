package assay.backend.cpu.kernel;

import static assay.backend.cpu.kernel.RawMemory.ALL;
import static assay.backend.cpu.kernel.RawMemory.getFloat;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import assay.model.Activation;
import assay.model.NormKind;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Rows in the Vector API. Each operation has a loop over whole vectors and, apart, masked code for
 * the rest: a condition inside the loop costs more than the arithmetic. No vector may depend on
 * which way a branch went: the compiler would make it on the heap. So sums of the rest are added as
 * scalars.
 */
public final class VectorRowKernels implements RowKernels {
  private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
  private static final int L = F.length();
  private static final long BYTES = 4L * L;

  /** Width of the vectors. */
  public static int vectorBits() {
    return F.vectorBitSize();
  }

  private static FloatVector load(long address) {
    return FloatVector.fromMemorySegment(F, ALL, address, LITTLE_ENDIAN);
  }

  private static FloatVector load(long address, VectorMask<Float> mask) {
    return FloatVector.fromMemorySegment(F, ALL, address, LITTLE_ENDIAN, mask);
  }

  private static void store(FloatVector v, long address) {
    v.intoMemorySegment(ALL, address, LITTLE_ENDIAN);
  }

  private static void store(FloatVector v, long address, VectorMask<Float> mask) {
    v.intoMemorySegment(ALL, address, LITTLE_ENDIAN, mask);
  }

  /** Whole vectors in {@code count} elements, in bytes. */
  private static long whole(int count) {
    return 4L * F.loopBound(count);
  }

  /** The lanes that remain after {@link #whole}. */
  private static VectorMask<Float> rest(int count) {
    return F.indexInRange(F.loopBound(count), count);
  }

  @Override
  public void add(long x, long delta, int count) {
    long end = whole(count);
    for (long i = 0; i < end; i += BYTES) {
      store(load(x + i).add(load(delta + i)), x + i);
    }
    if (end < 4L * count) {
      VectorMask<Float> m = rest(count);
      store(load(x + end, m).add(load(delta + end, m)), x + end, m);
    }
  }

  @Override
  public void norm(NormKind kind, long x, long gain, float eps, int count, long out) {
    float mean = kind == NormKind.RMS ? 0 : sum(x, count) / count;
    scaleByGain(x, mean, inverseDeviation(x, mean, eps, count), gain, count, out);
  }

  private static void scaleByGain(long x, float mean, float scale, long gain, int count, long out) {
    long end = whole(count);
    for (long i = 0; i < end; i += BYTES) {
      store(load(x + i).sub(mean).mul(scale).mul(load(gain + i)), out + i);
    }
    if (end < 4L * count) {
      VectorMask<Float> m = rest(count);
      FloatVector v = load(x + end, m).sub(mean).mul(scale).mul(load(gain + end, m));
      store(v, out + end, m);
    }
  }

  /** 1/√(Σ (x − mean)²/count + eps). */
  private static float inverseDeviation(long x, float mean, float eps, int count) {
    FloatVector s0 = FloatVector.zero(F);
    FloatVector s1 = s0;
    long end = whole(count);
    long i = 0;
    for (; i + 2 * BYTES <= end; i += 2 * BYTES) {
      FloatVector a = load(x + i).sub(mean);
      FloatVector b = load(x + i + BYTES).sub(mean);
      s0 = a.fma(a, s0);
      s1 = b.fma(b, s1);
    }
    for (; i < end; i += BYTES) {
      FloatVector a = load(x + i).sub(mean);
      s0 = a.fma(a, s0);
    }
    float tail = 0;
    if (end < 4L * count) {
      VectorMask<Float> m = rest(count);
      FloatVector a = load(x + end, m).sub(mean);
      tail = a.mul(a).reduceLanes(VectorOperators.ADD, m);
    }
    double squares = s0.add(s1).reduceLanes(VectorOperators.ADD) + tail;
    return (float) (1 / Math.sqrt(squares / count + eps));
  }

  private static float sum(long x, int count) {
    FloatVector s = FloatVector.zero(F);
    long end = whole(count);
    for (long i = 0; i < end; i += BYTES) {
      s = s.add(load(x + i));
    }
    float tail = 0;
    if (end < 4L * count) {
      tail = load(x + end, rest(count)).reduceLanes(VectorOperators.ADD);
    }
    return s.reduceLanes(VectorOperators.ADD) + tail;
  }

  @Override
  public void rope(long x, int heads, int headDim, long table) {
    for (int h = 0; h < heads; h++) {
      rotate(x + 4L * h * headDim, headDim / 2, table);
    }
  }

  private static void rotate(long x, int half, long table) {
    long high = 4L * half;
    long end = whole(half);
    for (long i = 0; i < end; i += BYTES) {
      FloatVector a = load(x + i);
      FloatVector b = load(x + high + i);
      FloatVector cos = load(table + i);
      FloatVector sin = load(table + high + i);
      store(a.mul(cos).sub(b.mul(sin)), x + i);
      store(b.mul(cos).add(a.mul(sin)), x + high + i);
    }
    if (end < high) {
      VectorMask<Float> m = rest(half);
      FloatVector a = load(x + end, m);
      FloatVector b = load(x + high + end, m);
      FloatVector cos = load(table + end, m);
      FloatVector sin = load(table + high + end, m);
      store(a.mul(cos).sub(b.mul(sin)), x + end, m);
      store(b.mul(cos).add(a.mul(sin)), x + high + end, m);
    }
  }

  @Override
  public void activate(Activation activation, long x, long up, int count, long out) {
    if (activation == Activation.SILU && up != 0) {
      gatedSilu(x, up, count, out);
      return;
    }
    long end = whole(count);
    for (long i = 0; i < end; i += BYTES) {
      store(apply(activation, load(x + i)), out + i);
      if (up != 0) {
        store(load(out + i).mul(load(up + i)), out + i);
      }
    }
    if (end < 4L * count) {
      VectorMask<Float> m = rest(count);
      store(apply(activation, load(x + end, m)), out + end, m);
      if (up != 0) {
        store(load(out + end, m).mul(load(up + end, m)), out + end, m);
      }
    }
  }

  private static void gatedSilu(long x, long up, int count, long out) {
    long end = whole(count);
    for (long i = 0; i < end; i += BYTES) {
      store(silu(load(x + i)).mul(load(up + i)), out + i);
    }
    if (end < 4L * count) {
      VectorMask<Float> m = rest(count);
      store(silu(load(x + end, m)).mul(load(up + end, m)), out + end, m);
    }
  }

  private static FloatVector silu(FloatVector x) {
    return x.div(VectorMath.exp(x.neg()).add(1));
  }

  private static FloatVector apply(Activation activation, FloatVector x) {
    return switch (activation) {
      case SILU -> silu(x);
      case GELU_TANH -> {
        // (1 + tanh u)/2 = 1/(1 + e^−2u).
        FloatVector u = x.mul(x).mul(0.044715f).add(1).mul(x);
        yield x.div(VectorMath.exp(u.mul((float) (-2 * Math.sqrt(2 / Math.PI)))).add(1));
      }
      case GELU_ERF -> {
        FloatVector erf = VectorMath.erf(x.mul((float) Math.sqrt(0.5)));
        yield x.mul(0.5f).mul(erf.add(1));
      }
      case RELU -> x.max(0);
      case SIGMOID -> VectorMath.sigmoid(x);
      case TANH -> VectorMath.tanh(x);
      case HARDSWISH -> x.mul(x.add(3).max(0).min(6)).div(6);
    };
  }

  @Override
  public float max(long x, int count) {
    FloatVector m0 = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
    FloatVector m1 = m0;
    long end = whole(count);
    long i = 0;
    for (; i + 2 * BYTES <= end; i += 2 * BYTES) {
      m0 = m0.max(load(x + i));
      m1 = m1.max(load(x + i + BYTES));
    }
    for (; i < end; i += BYTES) {
      m0 = m0.max(load(x + i));
    }
    float max = m0.max(m1).reduceLanes(VectorOperators.MAX);
    for (; i < 4L * count; i += 4) {
      max = Math.max(max, getFloat(x + i));
    }
    return max;
  }

  @Override
  public float expMinus(long x, float max, int count) {
    FloatVector s = FloatVector.zero(F);
    long end = whole(count);
    for (long i = 0; i < end; i += BYTES) {
      FloatVector e = VectorMath.exp(load(x + i).sub(max));
      store(e, x + i);
      s = s.add(e);
    }
    float tail = 0;
    if (end < 4L * count) {
      VectorMask<Float> m = rest(count);
      FloatVector e = VectorMath.exp(load(x + end, m).sub(max));
      store(e, x + end, m);
      tail = e.reduceLanes(VectorOperators.ADD, m);
    }
    return s.reduceLanes(VectorOperators.ADD) + tail;
  }

  @Override
  public void scale(long x, float factor, int count, long out) {
    long end = whole(count);
    for (long i = 0; i < end; i += BYTES) {
      store(load(x + i).mul(factor), out + i);
    }
    if (end < 4L * count) {
      VectorMask<Float> m = rest(count);
      store(load(x + end, m).mul(factor), out + end, m);
    }
  }

  @Override
  public void scores(long query, long keys, int count, int width, float factor, long out) {
    for (int j = 0; j < count; j++) {
      RawMemory.setFloat(out + 4L * j, factor * dot(query, keys + 4L * j * width, width));
    }
  }

  private static float dot(long a, long b, int count) {
    FloatVector s = FloatVector.zero(F);
    long end = whole(count);
    for (long i = 0; i < end; i += BYTES) {
      s = load(a + i).fma(load(b + i), s);
    }
    float tail = 0;
    if (end < 4L * count) {
      VectorMask<Float> m = rest(count);
      tail = load(a + end, m).mul(load(b + end, m)).reduceLanes(VectorOperators.ADD);
    }
    return s.reduceLanes(VectorOperators.ADD) + tail;
  }

  @Override
  public void addWeighted(long weights, long values, int count, int width, long out) {
    long rowBytes = 4L * width;
    long end = whole(width);
    for (long i = 0; i < end; i += BYTES) {
      FloatVector s0 = load(out + i);
      FloatVector s1 = FloatVector.zero(F);
      int j = 0;
      for (; j + 2 <= count; j += 2) {
        long at = values + i + j * rowBytes;
        s0 = load(at).fma(weight(weights, j), s0);
        s1 = load(at + rowBytes).fma(weight(weights, j + 1), s1);
      }
      for (; j < count; j++) {
        s0 = load(values + i + j * rowBytes).fma(weight(weights, j), s0);
      }
      store(s0.add(s1), out + i);
    }
    if (end < 4L * width) {
      VectorMask<Float> m = rest(width);
      FloatVector s = load(out + end, m);
      for (int j = 0; j < count; j++) {
        s = load(values + end + j * rowBytes, m).fma(weight(weights, j), s);
      }
      store(s, out + end, m);
    }
  }

  private static FloatVector weight(long weights, int j) {
    return FloatVector.broadcast(F, getFloat(weights + 4L * j));
  }
}
