package assay.measure.experiment;

import assay.backend.AttentionSpec;
import assay.backend.Backend;
import assay.model.Activation;
import assay.model.DType;
import assay.model.NumberFormat;
import assay.model.Precision;
import assay.results.Experiment;
import assay.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** F1 and I8: what the device's own conversions and functions give. */
final class NumberExperiments {
  private NumberExperiments() {}

  /**
   * Every finite 16-bit value, and its neighbours in fp32, stored by the device into a 16-bit
   * cache.
   */
  static Outcome conversions(Backend backend) {
    double mismatches = 0;
    double compared = 0;
    for (DType type : new DType[] {DType.F16, DType.BF16}) {
      float[] values = probes(type);
      short[] stored = store(backend, type, values);
      for (int i = 0; i < values.length; i++) {
        short expected =
            type == DType.F16 ? NumberFormat.toF16(values[i]) : NumberFormat.toBf16(values[i]);
        mismatches += stored[i] == expected ? 0 : 1;
        compared++;
      }
    }
    return Outcome.of(
        "every finite fp16 and bf16 value, the next fp32 value and the midpoint to the next 16-bit"
            + " one, stored by the KV cache's conversion",
        Map.of("mismatches", mismatches, "compared", compared));
  }

  private static float[] probes(DType type) {
    List<Float> out = new ArrayList<>();
    for (int bits = 0; bits < 65_536; bits++) {
      float v =
          type == DType.F16
              ? NumberFormat.fromF16((short) bits)
              : NumberFormat.fromBf16((short) bits);
      float next =
          type == DType.F16
              ? NumberFormat.fromF16((short) (bits + 1))
              : NumberFormat.fromBf16((short) (bits + 1));
      if (Float.isFinite(v) && Float.isFinite(next)) {
        out.add(v);
        out.add(Math.nextUp(v));
        out.add((float) (((double) v + next) / 2));
      }
    }
    float[] values = new float[Math.ceilDiv(out.size(), 64) * 64];
    for (int i = 0; i < out.size(); i++) {
      values[i] = out.get(i);
    }
    return values;
  }

  private static short[] store(Backend backend, DType type, float[] values) {
    int rows = values.length / 64;
    try (DeviceScratch s = new DeviceScratch(backend, 32L * values.length + (1 << 20))) {
      AttentionSpec spec = new AttentionSpec(1, rows, 1, 1, 64, 1, true, 0, false, rows);
      Tensor k = s.floats(DType.F32, rows, 64, values);
      Tensor keys = s.floats(type, rows, 64, new float[values.length]);
      Tensor vals = s.floats(type, rows, 64, new float[values.length]);
      backend.storeKv(spec, k, k, s.state(0, 0), keys, vals);
      byte[] bytes = s.readBytes(keys);
      short[] out = new short[values.length];
      java.nio.ByteBuffer.wrap(bytes)
          .order(java.nio.ByteOrder.LITTLE_ENDIAN)
          .asShortBuffer()
          .get(out);
      return out;
    }
  }

  /**
   * Sigmoid, tanh, ReLU, hardswish and the others on the device, against their closed forms in
   * fp64.
   */
  static Outcome activations(Backend backend) {
    int n = 4096;
    float[] x = new float[n];
    for (int i = 0; i < n; i++) {
      x[i] = (i - n / 2) / 128f;
    }
    DType type = backend.activationType(Precision.FP32);
    List<Experiment.Point> points = new ArrayList<>();
    double worst = 0;
    for (Activation a : Activation.values()) {
      try (DeviceScratch s = new DeviceScratch(backend, 1 << 20)) {
        Tensor in = s.floats(type, 1, n, x);
        Tensor out = s.floats(type, 1, n, new float[n]);
        backend.activation(a, false, in, out);
        float[] y = s.read(out);
        double ulps = 0;
        for (int i = 0; i < n; i++) {
          double exact = closedForm(a, x[i]);
          ulps = Math.max(ulps, Math.abs(y[i] - exact) / (Math.max(1, Math.abs(exact)) * 0x1p-23));
        }
        points.add(new Experiment.Point(a.huggingFaceName(), Map.of("largest_error_ulps", ulps)));
        worst = Math.max(worst, ulps);
      }
    }
    Map<String, Double> values = new LinkedHashMap<>();
    values.put("largest_error_ulps", worst);
    return new Outcome("4,096 points from −16 to 16, fp32", values, points);
  }

  private static double closedForm(Activation a, double x) {
    return switch (a) {
      case SILU -> x / (1 + Math.exp(-x));
      case GELU_TANH -> {
        double inner = Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x);
        yield x / (1 + Math.exp(-2 * inner));
      }
      case GELU_ERF -> x * normalCdf(x);
      case RELU -> Math.max(0, x);
      case SIGMOID -> 1 / (1 + Math.exp(-x));
      case TANH -> Math.tanh(x);
      case HARDSWISH -> x * Math.clamp(x + 3, 0, 6) / 6;
    };
  }

  /**
   * Φ(x) = ½ + φ(x)·(x + x³/3 + x⁵/15 + …) (Abramowitz and Stegun 26.2.11), by symmetry for
   * negative x.
   */
  private static double normalCdf(double x) {
    if (x < 0) {
      return 1 - normalCdf(-x);
    }
    if (x > 9) {
      return 1;
    }
    double term = x;
    double sum = x;
    for (int i = 3; term > 1e-18 * sum; i += 2) {
      term *= x * x / i;
      sum += term;
    }
    return 0.5 + sum * Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
  }
}
