package assay.engine;

import assay.model.ModelConfig;

/** Cosines and sines of the rotary angles, computed in fp64 once on the host. */
public final class RotaryTable {
  private RotaryTable() {}

  /**
   * [positions, headDim]: for position p and pair i the angle p·f(i), f(i) = θ^(−2i/headDim) as
   * {@code rope_scaling} stretches it; cosines in the first half of a row, sines in the second.
   */
  public static float[] of(ModelConfig c, int positions) {
    int half = c.headDim() / 2;
    float[] table = new float[Math.multiplyExact(positions, c.headDim())];
    for (int i = 0; i < half; i++) {
      double f = c.ropeScaling().scale(i, Math.pow(c.ropeTheta(), -2.0 * i / c.headDim()));
      for (int p = 0; p < positions; p++) {
        table[p * c.headDim() + i] = (float) Math.cos(p * f);
        table[p * c.headDim() + half + i] = (float) Math.sin(p * f);
      }
    }
    return table;
  }
}
