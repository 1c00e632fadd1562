package assay.backend.cpu.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Elementary functions on fp32 vectors, from arithmetic alone: the same results on every processor
 * with FMA, and fast where the JDK has no vector math library.
 */
public final class VectorMath {
  private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
  private static final float LOG2_E = (float) (1 / Math.log(2));

  /**
   * ln 2 in two parts: the first has few bits, so that its product with a small integer is exact.
   */
  private static final float LN_2_HIGH = 355 / 512f;

  private static final float LN_2_LOW = (float) (Math.log(2) - 355 / 512.0);

  /** Adding and subtracting 1.5 · 2²³ rounds to an integer, which then stands in the low bits. */
  private static final float ROUNDER = 0x1.8p23f;

  /** Below this e^x is less than the smallest normal fp32, and becomes 0. */
  private static final float EXP_UNDERFLOW = -87.33f;

  private VectorMath() {}

  /** e^x within 2 units of the last place; 0 below −87.33, infinity above 88.72. */
  public static FloatVector exp(FloatVector x) {
    FloatVector bounded = x.max(EXP_UNDERFLOW).min(89);
    FloatVector shifted =
        bounded.fma(FloatVector.broadcast(F, LOG2_E), FloatVector.broadcast(F, ROUNDER));
    FloatVector n = shifted.sub(ROUNDER);
    FloatVector r =
        n.fma(
            FloatVector.broadcast(F, -LN_2_LOW),
            n.fma(FloatVector.broadcast(F, -LN_2_HIGH), bounded));
    // Taylor to the 7th degree: |r| ≤ ln 2 / 2, so the rest is under 0.3466⁸/8! = 5e−9.
    FloatVector p = FloatVector.broadcast(F, 1 / 5040f);
    p = p.fma(r, FloatVector.broadcast(F, 1 / 720f));
    p = p.fma(r, FloatVector.broadcast(F, 1 / 120f));
    p = p.fma(r, FloatVector.broadcast(F, 1 / 24f));
    p = p.fma(r, FloatVector.broadcast(F, 1 / 6f));
    p = p.fma(r, FloatVector.broadcast(F, 0.5f));
    p = p.fma(r, FloatVector.broadcast(F, 1));
    p = p.fma(r, FloatVector.broadcast(F, 1));
    // 2^(n − 1) from its exponent, then times 2: n = 128 must not overflow before its time.
    FloatVector power =
        shifted
            .reinterpretAsInts()
            .sub(Float.floatToRawIntBits(ROUNDER) - 126)
            .lanewise(VectorOperators.LSHL, 23)
            .reinterpretAsFloats();
    FloatVector result = p.mul(power).mul(2);
    return result.blend(0, x.compare(VectorOperators.LT, EXP_UNDERFLOW));
  }

  /** 1/(1 + e^−x). */
  public static FloatVector sigmoid(FloatVector x) {
    return FloatVector.broadcast(F, 1).div(exp(x.neg()).add(1));
  }

  /** tanh x to a few units of the last place. */
  public static FloatVector tanh(FloatVector x) {
    FloatVector t = exp(x.abs().mul(-2));
    FloatVector one = FloatVector.broadcast(F, 1);
    FloatVector large = one.sub(t).div(one.add(t));
    FloatVector signed =
        large.reinterpretAsInts().or(x.reinterpretAsInts().and(0x80000000)).reinterpretAsFloats();
    // Near 0 the difference above cancels; the series' next term is under 5e−8 there.
    FloatVector y = x.mul(x);
    FloatVector p = FloatVector.broadcast(F, 62 / 2835f);
    p = p.fma(y, FloatVector.broadcast(F, -17 / 315f));
    p = p.fma(y, FloatVector.broadcast(F, 2 / 15f));
    p = p.fma(y, FloatVector.broadcast(F, -1 / 3f));
    FloatVector small = p.mul(y).fma(x, x);
    return signed.blend(small, x.abs().compare(VectorOperators.LT, 0.3f));
  }

  /** erf x with an absolute error under 3e−7: Abramowitz and Stegun 7.1.26. */
  public static FloatVector erf(FloatVector x) {
    FloatVector a = x.abs();
    FloatVector one = FloatVector.broadcast(F, 1);
    FloatVector t = one.div(a.fma(FloatVector.broadcast(F, 0.3275911f), one));
    FloatVector p = FloatVector.broadcast(F, (float) 1.061405429);
    p = p.fma(t, FloatVector.broadcast(F, (float) -1.453152027));
    p = p.fma(t, FloatVector.broadcast(F, (float) 1.421413741));
    p = p.fma(t, FloatVector.broadcast(F, (float) -0.284496736));
    p = p.fma(t, FloatVector.broadcast(F, (float) 0.254829592));
    FloatVector e = one.sub(p.mul(t).mul(exp(a.mul(a).neg())));
    return e.reinterpretAsInts().or(x.reinterpretAsInts().and(0x80000000)).reinterpretAsFloats();
  }
}
