package assay.backend.cpu.training;

import static assay.backend.cpu.training.Floats.ALL;
import static assay.backend.cpu.training.Floats.ORDER;
import static assay.backend.cpu.training.Floats.S;

import assay.backend.Sgd;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/** The element-wise update of SGD, with or without momentum. */
final class SgdLoop {
  private final Sgd settings;
  private final float gradientScale;

  SgdLoop(Sgd settings, float gradientScale) {
    this.settings = settings;
    this.gradientScale = gradientScale;
  }

  /** n elements at these addresses of weight, gradient and velocity; velocity 0 for none. */
  void update(long w, long g, long v, int n) {
    int lanes = S.length();
    for (int i = 0; i < n; i += lanes) {
      VectorMask<Float> some = S.indexInRange(i, n);
      long at = 4L * i;
      FloatVector weight = load(w + at, some);
      FloatVector direction =
          load(g + at, some).mul(gradientScale).add(weight.mul(settings.weightDecay()));
      if (v != 0) {
        direction = direction.add(load(v + at, some).mul(settings.momentum()));
        direction.intoMemorySegment(ALL, v + at, ORDER, some);
      }
      weight
          .sub(direction.mul(settings.learningRate()))
          .intoMemorySegment(ALL, w + at, ORDER, some);
    }
  }

  private static FloatVector load(long address, VectorMask<Float> some) {
    return FloatVector.fromMemorySegment(S, ALL, address, ORDER, some);
  }
}
