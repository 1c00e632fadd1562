package assay.measure.experiment;

import assay.backend.Backend;
import assay.backend.SamplingSpec;
import assay.backend.StepState;
import assay.model.DType;
import assay.tensor.Tensor;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeSet;

/** I4 and I5: which tokens the device's sampler keeps, and how often it draws each. */
final class SamplingExperiments {
  private static final int VOCABULARY = 200;
  private static final int BATCH = 500;

  private SamplingExperiments() {}

  private static float[] logits() {
    float[] out = DeviceScratch.normal(21, VOCABULARY);
    for (int i = 0; i < VOCABULARY; i++) {
      // Steps of a quarter make ties, so that the rule for equals is tested too.
      out[i] = Math.round(out[i] * 6) / 4f;
    }
    return out;
  }

  /**
   * Ids drawn by the device, {@code rounds} times a batch of equal rows; uniforms run through [0,
   * 1) evenly.
   */
  private static int[] draw(
      Backend backend, SamplingSpec spec, float[] logits, int rounds, boolean even) {
    int[] out = new int[rounds * BATCH];
    try (DeviceScratch s = new DeviceScratch(backend, 32L << 20)) {
      float[] rows = new float[BATCH * VOCABULARY];
      for (int b = 0; b < BATCH; b++) {
        System.arraycopy(logits, 0, rows, b * VOCABULARY, VOCABULARY);
      }
      Tensor uniforms = s.floats(DType.F32, rounds, BATCH, new float[rounds * BATCH]);
      if (even) {
        float[] u = new float[rounds * BATCH];
        for (int i = 0; i < u.length; i++) {
          u[i] = (i + 0.5f) / u.length;
        }
        s.write(uniforms, u);
      } else {
        backend.fillUniform(uniforms, 12_345);
      }
      StepState state = s.state(0, new int[BATCH]);
      Tensor tokens = s.ints(new int[BATCH]);
      Tensor flat = s.ints(new int[rounds * BATCH]);
      Tensor history = Tensor.rowMajor(flat.buffer(), flat.offsetBytes(), DType.I32, rounds, BATCH);
      Tensor l = s.floats(DType.F32, BATCH, VOCABULARY, rows);
      for (int r = 0; r < rounds; r++) {
        s.write(l, rows);
        backend.sample(spec, l, uniforms, state, tokens, history);
        backend.advance(state, 1, 1);
      }
      System.arraycopy(s.readInts(flat), 0, out, 0, out.length);
    }
    return out;
  }

  /** Exact probabilities by claim I5: divide, sort, cut to k, cut to p, renormalise. */
  static double[] exact(SamplingSpec spec, float[] logits) {
    Integer[] order = new Integer[logits.length];
    Arrays.setAll(order, i -> i);
    Arrays.sort(
        order,
        (a, b) -> logits[a] != logits[b] ? Float.compare(logits[b], logits[a]) : a.compareTo(b));
    int kept = spec.topK() == 0 ? order.length : Math.min(spec.topK(), order.length);
    double[] weights = new double[logits.length];
    double sum = 0;
    for (int i = 0; i < kept; i++) {
      weights[i] = Math.exp(((double) logits[order[i]] - logits[order[0]]) / spec.temperature());
      sum += weights[i];
    }
    double cumulative = 0;
    double[] p = new double[logits.length];
    double keptSum = 0;
    for (int i = 0; i < kept && (spec.topP() == 1 || cumulative <= spec.topP() * sum); i++) {
      cumulative += weights[i];
      keptSum += weights[i];
      p[order[i]] = weights[i];
    }
    for (int i = 0; i < p.length; i++) {
      p[i] /= keptSum;
    }
    return p;
  }

  static Outcome sets(Backend backend) {
    SamplingSpec[] specs = {
      new SamplingSpec(1, 5, 1),
      new SamplingSpec(1, 17, 1),
      new SamplingSpec(1, 0, 0.5f),
      new SamplingSpec(1, 0, 0.3f),
      new SamplingSpec(2, 30, 0.8f),
      new SamplingSpec(1, 0, 0),
      new SamplingSpec(0, 0, 1),
      new SamplingSpec(1, 1, 1)
    };
    float[] logits = logits();
    double wrong = 0;
    for (SamplingSpec spec : specs) {
      TreeSet<Integer> drawn = new TreeSet<>();
      for (int id : draw(backend, spec, logits, 20, true)) {
        drawn.add(id);
      }
      TreeSet<Integer> expected = new TreeSet<>();
      double[] p = spec.isGreedy() ? exact(new SamplingSpec(1, 1, 1), logits) : exact(spec, logits);
      for (int i = 0; i < p.length; i++) {
        // What is rarer than one of the evenly spaced uniforms need not be drawn.
        if (p[i] > 2.0 / (20 * BATCH)) {
          expected.add(i);
        }
      }
      wrong += drawn.equals(expected) ? 0 : 1;
    }
    return Outcome.of(
        "8 settings of temperature, top-k and top-p over 200 logits with ties; 10,000 evenly spaced"
            + " uniforms each",
        Map.of("wrong_sets", wrong, "sets", (double) specs.length));
  }

  static Outcome pipeline(Backend backend) {
    SamplingSpec spec = new SamplingSpec(0.8f, 36, 0.7f);
    float[] logits = DeviceScratch.normal(5, VOCABULARY);
    int rounds = 40;
    double[] p = exact(spec, logits);
    int[] counts = new int[VOCABULARY];
    for (int id : draw(backend, spec, logits, rounds, false)) {
      counts[id]++;
    }
    double chi = 0;
    int kept = 0;
    double outside = 0;
    double draws = (double) rounds * BATCH;
    for (int i = 0; i < VOCABULARY; i++) {
      if (p[i] > 0) {
        kept++;
        chi += Math.pow(counts[i] - p[i] * draws, 2) / (p[i] * draws);
      } else {
        outside += counts[i];
      }
    }
    // A draw from outside the kept set is impossible under the claim: no chi-square excuses it.
    return Outcome.of(
        "T = 0.8, top-k = 36, top-p = 0.7 over 200 logits, 20,000 draws with the device's uniforms",
        Map.of(
            "chi_square",
            outside > 0 ? 1e9 : chi,
            "degrees_of_freedom",
            kept - 1.0,
            "critical_value",
            critical(kept - 1),
            "draws_outside",
            outside,
            "draws",
            draws));
  }

  /** 0.999 quantile of chi-square by Wilson and Hilferty (1931). */
  private static double critical(int degrees) {
    double t = 2.0 / (9 * degrees);
    return degrees * Math.pow(1 - t + 3.0902 * Math.sqrt(t), 3);
  }
}
