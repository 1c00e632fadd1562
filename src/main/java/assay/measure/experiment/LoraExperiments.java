package assay.measure.experiment;

import assay.backend.Backend;
import assay.model.DType;
import assay.model.Precision;
import assay.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.Map;

/** T9: a LoRA of S0's shape, merged and unmerged. */
final class LoraExperiments {
  private static final int IN = 1024;
  private static final int OUT = 2048;
  private static final int RANK = 32;
  private static final int TOKENS = 16;

  private LoraExperiments() {}

  static Outcome merging(Backend backend) {
    float[] w = scaled(DeviceScratch.normal(1, OUT * IN), 1 / Math.sqrt(IN));
    float[] a = scaled(DeviceScratch.normal(2, RANK * IN), 1 / Math.sqrt(IN));
    float[] b = scaled(DeviceScratch.normal(3, OUT * RANK), 0.1);
    DType type = backend.activationType(Precision.FP32);
    try (DeviceScratch s = new DeviceScratch(backend, 64L << 20)) {
      Tensor plain = s.weight(DType.F32, OUT, IN, w);
      Tensor merged = s.weight(DType.F32, OUT, IN, merge(w, a, b));
      Tensor down = s.weight(DType.F32, RANK, IN, a);
      Tensor up = s.weight(DType.F32, OUT, RANK, b);
      Tensor x = s.floats(type, TOKENS, IN, DeviceScratch.normal(4, TOKENS * IN));
      Tensor low = s.floats(type, TOKENS, RANK, new float[TOKENS * RANK]);
      Tensor y = s.floats(type, TOKENS, OUT, new float[TOKENS * OUT]);
      Runnable unmerged =
          () -> {
            backend.matmul(x, plain, y, false);
            backend.matmul(x, down, low, false);
            backend.matmul(low, up, y, true);
          };
      unmerged.run();
      float[] expected = s.read(y);
      backend.matmul(x, merged, y, false);
      Map<String, Double> values = new LinkedHashMap<>();
      values.put("relative_difference", relative(s.read(y), expected));
      values.put("unmerged_seconds", Timing.medianSeconds(backend, unmerged));
      values.put(
          "merged_seconds",
          Timing.medianSeconds(backend, () -> backend.matmul(x, merged, y, false)));
      values.put(
          "plain_seconds", Timing.medianSeconds(backend, () -> backend.matmul(x, plain, y, false)));
      values.put("unmerged_bytes", (double) plain.bytes() + down.bytes() + up.bytes());
      values.put("merged_bytes", (double) merged.bytes());
      return Outcome.of(
          "1,024 × 2,048, rank 32, 16 tokens, fp32, medians; the difference is relative L2",
          values);
    }
  }

  private static float[] scaled(float[] v, double factor) {
    for (int i = 0; i < v.length; i++) {
      v[i] = (float) (v[i] * factor);
    }
    return v;
  }

  /** W + B·A in fp64, rows being outputs. */
  private static float[] merge(float[] w, float[] a, float[] b) {
    float[] out = new float[w.length];
    double[] row = new double[IN];
    for (int o = 0; o < OUT; o++) {
      for (int i = 0; i < IN; i++) {
        row[i] = w[o * IN + i];
      }
      for (int r = 0; r < RANK; r++) {
        double factor = b[o * RANK + r];
        for (int i = 0; i < IN; i++) {
          row[i] += factor * a[r * IN + i];
        }
      }
      for (int i = 0; i < IN; i++) {
        out[o * IN + i] = (float) row[i];
      }
    }
    return out;
  }

  /** ‖a − b‖ / ‖b‖; NaN stays NaN. */
  static double relative(float[] a, float[] b) {
    double difference = 0;
    double norm = 0;
    for (int i = 0; i < a.length; i++) {
      difference += Math.pow((double) a[i] - b[i], 2);
      norm += (double) b[i] * b[i];
    }
    return Math.sqrt(difference / norm);
  }
}
