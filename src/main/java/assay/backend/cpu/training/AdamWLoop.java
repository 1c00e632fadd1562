package assay.backend.cpu.training;

import static assay.backend.cpu.training.Floats.ALL;
import static assay.backend.cpu.training.Floats.ORDER;
import static assay.backend.cpu.training.Floats.S;

import assay.backend.AdamW;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/** The element-wise update of AdamW. */
final class AdamWLoop {
  private final float gradientScale;
  private final float beta1;
  private final float beta2;
  private final float epsilon;
  private final float decay;
  private final float rate;
  private final float inverseCorrection2;

  AdamWLoop(AdamW s, float gradientScale) {
    this.gradientScale = gradientScale;
    beta1 = s.beta1();
    beta2 = s.beta2();
    epsilon = s.epsilon();
    decay = 1 - s.learningRate() * s.weightDecay();
    rate = s.learningRate() / s.correction1();
    inverseCorrection2 = 1 / s.correction2();
  }

  /** n elements at these addresses of weight, gradient, momentum and variance. */
  void update(long w, long g, long m, long v, int n) {
    int lanes = S.length();
    for (int i = 0; i < n; i += lanes) {
      VectorMask<Float> some = S.indexInRange(i, n);
      long at = 4L * i;
      FloatVector gradient = load(g + at, some).mul(gradientScale);
      FloatVector first = load(m + at, some).mul(beta1).add(gradient.mul(1 - beta1));
      FloatVector second = load(v + at, some).mul(beta2).add(gradient.mul(gradient).mul(1 - beta2));
      FloatVector denominator = second.mul(inverseCorrection2).sqrt().add(epsilon);
      FloatVector weight = load(w + at, some).mul(decay).sub(first.mul(rate).div(denominator));
      first.intoMemorySegment(ALL, m + at, ORDER, some);
      second.intoMemorySegment(ALL, v + at, ORDER, some);
      weight.intoMemorySegment(ALL, w + at, ORDER, some);
    }
  }

  private static FloatVector load(long address, VectorMask<Float> some) {
    return FloatVector.fromMemorySegment(S, ALL, address, ORDER, some);
  }
}
