package assay.model;

/**
 * The arithmetic of the scalar storage types: bits to value and back, rounding to nearest, ties to
 * even (IEEE 754 §4.3.1; OCP OFP8 v1.0 for e4m3 and e5m2). Claims F1–F3 are checked against these.
 */
public final class NumberFormat {
  private NumberFormat() {}

  /** The fp16 value of these bits. */
  public static float fromF16(short bits) {
    return Float.float16ToFloat(bits);
  }

  /** The nearest fp16; beyond ±65504 (after rounding) infinity. */
  public static short toF16(float value) {
    return Float.floatToFloat16(value);
  }

  /** The bf16 value of these bits. */
  public static float fromBf16(short bits) {
    return Float.intBitsToFloat(bits << 16);
  }

  /** The nearest bf16; NaN stays NaN. */
  public static short toBf16(float value) {
    int bits = Float.floatToRawIntBits(value);
    if (Float.isNaN(value)) {
      return (short) ((bits >>> 16) | 0x40);
    }
    return (short) ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16);
  }

  /** The e4m3 value of these bits: bias 7, no infinities, S.1111.111 is NaN. */
  public static float fromF8E4M3(byte bits) {
    int exponent = (bits >>> 3) & 15;
    int fraction = bits & 7;
    float sign = bits < 0 ? -1f : 1f;
    if (exponent == 15 && fraction == 7) {
      return Float.NaN;
    }
    if (exponent == 0) {
      return sign * fraction * 0x1p-9f;
    }
    return sign * Math.scalb(1 + fraction / 8f, exponent - 7);
  }

  /** The nearest e4m3, saturating at ±448 as NVIDIA's satfinite conversion does; NaN stays NaN. */
  public static byte toF8E4M3(float value) {
    return toF8(value, 3, 7, 448f, (byte) 0x7e, (byte) 0x7f);
  }

  /** The e5m2 value of these bits: bias 15, infinities and NaN as in fp16. */
  public static float fromF8E5M2(byte bits) {
    return Float.float16ToFloat((short) (bits << 8));
  }

  /** The nearest e5m2, saturating at ±57344; NaN stays NaN. */
  public static byte toF8E5M2(float value) {
    return toF8(value, 2, 15, 57344f, (byte) 0x7b, (byte) 0x7f);
  }

  private static byte toF8(
      float value, int fractionBits, int bias, float largest, byte largestBits, byte nanBits) {
    if (Float.isNaN(value)) {
      return nanBits;
    }
    int sign = Float.floatToRawIntBits(value) < 0 ? 0x80 : 0;
    float magnitude = Math.abs(value);
    if (magnitude >= largest) {
      return (byte) (sign | largestBits);
    }
    int exponent = Math.max(Math.getExponent(magnitude), 1 - bias);
    // In units of the last place the number is exact in double, so rint rounds once, ties to even.
    long units = (long) Math.rint(Math.scalb((double) magnitude, fractionBits - exponent));
    int encoded = (int) units + ((exponent + bias - 1) << fractionBits);
    return (byte) (sign | encoded);
  }
}
