package assay.claims;

import static assay.claims.Finding.LEDGER;
import static assay.claims.Finding.numbers;

import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.NumberFormat;
import assay.model.Precision;
import assay.results.ResultRow;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.math.BigDecimal;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;

/** F1–F5: number formats. */
final class NumberClaims {
  private NumberClaims() {}

  static Map<String, Examiner> examiners() {
    return Map.of(
        "F1", NumberClaims::layouts,
        "F2", e -> ranges(),
        "F3", e -> pi(),
        "F4", NumberClaims::storedBytes,
        "F5", e -> quantisation());
  }

  /**
   * The value that the sign, exponent and fraction fields define, for every pattern, against the
   * conversions.
   */
  private static Finding layouts(Evidence evidence) {
    int wrong = 0;
    for (int bits = 0; bits < 65_536; bits++) {
      short s = (short) bits;
      wrong += same(byFields(bits, 5, 10), Float.float16ToFloat(s)) ? 0 : 1;
      wrong += same(byFields(bits, 8, 7), NumberFormat.fromBf16(s)) ? 0 : 1;
      wrong += comesBack(s) ? 0 : 1;
    }
    Map<String, Object> measured = numbers("patterns", 65_536, "wrong", wrong);
    evidence
        .experiment("F1")
        .ifPresent(e -> measured.put("wrong_on_device", e.values().get("mismatches")));
    Object device = measured.get("wrong_on_device");
    boolean ok = wrong == 0 && (device == null || device.equals(0.0));
    return new Finding(
        ok ? Verdict.HOLDS : Verdict.FAILS,
        numbers("fp16", "1/5/10", "bf16", "1/8/7", "fp32", "1/8/23"),
        measured,
        "Every 16-bit pattern of both types was decoded from its fields and compared with the JDK's"
            + " conversion, and encoded back"
            + (device == null ? "; the device's own conversion: " + Finding.MEASURE : ""),
        LEDGER);
  }

  private static boolean comesBack(short bits) {
    float f = NumberFormat.fromF16(bits);
    float b = NumberFormat.fromBf16(bits);
    return (Float.isNaN(f) || NumberFormat.toF16(f) == bits)
        && (Float.isNaN(b) || NumberFormat.toBf16(b) == bits);
  }

  private static boolean same(double a, float b) {
    return Double.isNaN(a) ? Float.isNaN(b) : a == b;
  }

  private static double byFields(int bits, int exponentBits, int fractionBits) {
    int bias = (1 << (exponentBits - 1)) - 1;
    int exponent = bits >>> fractionBits & (1 << exponentBits) - 1;
    double fraction = (bits & (1 << fractionBits) - 1) / (double) (1 << fractionBits);
    double sign = bits >>> 15 == 0 ? 1 : -1;
    if (exponent == (1 << exponentBits) - 1) {
      return fraction == 0 ? sign * Double.POSITIVE_INFINITY : Double.NaN;
    }
    return exponent == 0
        ? sign * fraction * Math.pow(2, 1 - bias)
        : sign * (1 + fraction) * Math.pow(2, exponent - bias);
  }

  private static Finding ranges() {
    float f16 = NumberFormat.fromF16((short) 0x7bff);
    float bf16 = NumberFormat.fromBf16((short) 0x7f7f);
    boolean ok =
        f16 == 65504
            && Math.abs(bf16 / 3.39e38 - 1) < 0.005
            && Math.abs(Float.MAX_VALUE / 3.4e38 - 1) < 0.005;
    return new Finding(
        ok ? Verdict.HOLDS : Verdict.FAILS,
        numbers("fp16", 65504, "fp32", 3.4e38, "bf16", 3.39e38),
        numbers("fp16", f16, "fp32", Float.MAX_VALUE, "bf16", bf16),
        "Largest finite value of each type, to the digits of the claim",
        LEDGER);
  }

  private static Finding pi() {
    float pi = (float) Math.PI;
    String fp32 = new BigDecimal(pi).setScale(20, java.math.RoundingMode.HALF_EVEN).toString();
    float fp16 = NumberFormat.fromF16(NumberFormat.toF16(pi));
    int int8 = (int) Math.rint(Math.PI);
    boolean ok = fp32.equals("3.14159274101257324219") && fp16 == 3.140625f && int8 == 3;
    return new Finding(
        ok ? Verdict.HOLDS : Verdict.FAILS,
        numbers("fp32", "3.14159274101257324219", "fp16", 3.140625, "int8", 3),
        numbers(
            "fp32",
            fp32,
            "fp16",
            fp16,
            "bf16",
            NumberFormat.fromBf16(NumberFormat.toBf16(pi)),
            "e4m3",
            NumberFormat.fromF8E4M3(NumberFormat.toF8E4M3(pi)),
            "e5m2",
            NumberFormat.fromF8E5M2(NumberFormat.toF8E5M2(pi)),
            "int8",
            int8),
        "The values hold. The source's text takes the fp32 exponent bias to be 2^bits − 1 = 127;"
            + " 2^8 − 1 is 255, the bias is 2^(bits − 1) − 1 = 127",
        LEDGER);
  }

  private static Finding storedBytes(Evidence evidence) {
    Map<String, Double> claimed = new LinkedHashMap<>();
    claimed.put("fp32", 4.0);
    claimed.put("fp16", 2.0);
    claimed.put("bf16", 2.0);
    claimed.put("int8", 1.0);
    claimed.put("int4", 0.5);
    Map<String, Object> measured = new LinkedHashMap<>();
    double worst = 0;
    for (Map.Entry<String, Double> c : claimed.entrySet()) {
      for (ResultRow r : evidence.rowsOf(c.getKey())) {
        Long bytes = r.measured() == null ? null : r.measured().weightsBytes();
        Long parameters = r.model().parameters();
        if (bytes != null && parameters != null && parameters > 0) {
          double perParameter = bytes / (double) parameters;
          measured.put(c.getKey() + "_bytes_per_parameter", perParameter);
          worst = Math.max(worst, Math.abs(perParameter / c.getValue() - 1));
        }
      }
    }
    if (measured.isEmpty()) {
      return Finding.notMeasured(
          numbers("bytes_per_parameter", claimed),
          "Needs measured rows: run the main job",
          "assay run");
    }
    return new Finding(
        worst < 0.005 ? Verdict.HOLDS : Verdict.WITHIN,
        numbers("bytes_per_parameter", claimed),
        measured,
        "Within %.1f %%. Block formats also store a scale: %d/32 B a parameter for int8, %d/32 B for int4; vectors stay in fp32"
            .formatted(worst * 100, DType.Q8_0.blockBytes(), DType.Q4_0.blockBytes()),
        "assay run");
  }

  /**
   * Error and bytes of each type on normal values: round to nearest with the formats that are
   * really stored.
   */
  private static Finding quantisation() {
    int n = 4096;
    float[] values = new float[n];
    Random random = new Random(1);
    for (int i = 0; i < n; i++) {
      values[i] = (float) random.nextGaussian();
    }
    Map<String, Object> measured = new LinkedHashMap<>();
    for (Precision p : Precision.values()) {
      if (p != Precision.TF32 && p != Precision.FP8) {
        measured.put(p.label() + "_rms_error", rmsError(p.weightType(), values));
        measured.put(p.label() + "_bytes", p.weightType().bytes(1, n));
      }
    }
    double ratio8 = DType.Q8_0.bytes(1, n) / (double) DType.F16.bytes(1, n);
    double ratio4 = DType.Q4_0.bytes(1, n) / (double) DType.Q8_0.bytes(1, n);
    return new Finding(
        Verdict.WITHIN,
        numbers("ratio_fp32_fp16", 0.5, "ratio_fp16_int8", 0.5, "ratio_int8_int4", 0.5),
        measured,
        "16 bits are exactly half of 32; with their scales int8 is %.3f of fp16 and int4 %.3f of int8. What it costs in logits: assay compare"
            .formatted(ratio8, ratio4),
        LEDGER);
  }

  private static double rmsError(DType type, float[] values) {
    float[] back = new float[values.length];
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment bytes = arena.allocate(type.rowBytes(values.length));
      BlockFormat.encodeRow(type, values, 0, values.length, bytes, 0);
      BlockFormat.decodeRow(type, bytes, 0, values.length, back, 0);
    }
    double squares = 0;
    for (int i = 0; i < values.length; i++) {
      squares += Math.pow((double) values[i] - back[i], 2);
    }
    return Math.sqrt(squares / values.length);
  }
}
