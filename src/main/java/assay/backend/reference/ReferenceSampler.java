package assay.backend.reference;

import assay.backend.SamplingSpec;

/** Sampling of claim I5 in its plainest form: sort, cut, cut, draw. */
final class ReferenceSampler {
  private ReferenceSampler() {}

  /** The chosen id for one row of logits; {@code uniform} in [0, 1) is unused when greedy. */
  static int sample(SamplingSpec spec, float[] logits, double uniform) {
    Integer[] order = new Integer[logits.length];
    for (int i = 0; i < order.length; i++) {
      order[i] = i;
    }
    java.util.Arrays.sort(
        order,
        (a, b) -> logits[a] != logits[b] ? Float.compare(logits[b], logits[a]) : a.compareTo(b));
    if (spec.isGreedy()) {
      return order[0];
    }
    int kept = spec.topK() == 0 ? order.length : Math.min(spec.topK(), order.length);
    double[] weights = new double[kept];
    double sum = 0;
    for (int i = 0; i < kept; i++) {
      weights[i] = Math.exp(((double) logits[order[i]] - logits[order[0]]) / spec.temperature());
      sum += weights[i];
    }
    if (spec.topP() < 1) {
      double limit = spec.topP() * sum;
      double cumulative = 0;
      int n = 0;
      while (n < kept && cumulative <= limit) {
        cumulative += weights[n++];
      }
      kept = n;
      sum = cumulative;
    }
    double target = uniform * sum;
    double cumulative = 0;
    for (int i = 0; i < kept; i++) {
      cumulative += weights[i];
      if (target < cumulative) {
        return order[i];
      }
    }
    return order[kept - 1];
  }
}
