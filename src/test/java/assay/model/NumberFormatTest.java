package assay.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Claims F1–F3 and the block formats' error bounds. */
class NumberFormatTest {
  @Test
  void everyBf16PatternComesBack() {
    for (int bits = 0; bits < 65_536; bits++) {
      float v = NumberFormat.fromBf16((short) bits);
      short back = NumberFormat.toBf16(v);
      if (Float.isNaN(v)) {
        assertTrue(Float.isNaN(NumberFormat.fromBf16(back)));
      } else {
        assertEquals((short) bits, back);
      }
    }
  }

  /** Rounding of bf16 against the definition: the nearer neighbour, the even one of equals. */
  @Test
  void bf16RoundsToNearestEven() {
    Random r = new Random(1);
    for (int i = 0; i < 200_000; i++) {
      float v = Float.intBitsToFloat(r.nextInt() & 0xbfffffff);
      if (i % 3 == 0) {
        v = Float.intBitsToFloat((Float.floatToRawIntBits(v) & 0xffff0000) | 0x8000);
      }
      int down = Float.floatToRawIntBits(v) >>> 16;
      double below = Math.abs((double) v - NumberFormat.fromBf16((short) down));
      double above = Math.abs((double) v - NumberFormat.fromBf16((short) (down + 1)));
      int expected = below < above ? down : above < below ? down + 1 : down + (down & 1);
      assertEquals((short) expected, NumberFormat.toBf16(v), "of " + v);
    }
  }

  @Test
  void everyF8PatternComesBack() {
    for (int bits = 0; bits < 256; bits++) {
      float v = NumberFormat.fromF8E4M3((byte) bits);
      if (!Float.isNaN(v)) {
        assertEquals((byte) bits, NumberFormat.toF8E4M3(v), "e4m3 of " + v);
      }
      float w = NumberFormat.fromF8E5M2((byte) bits);
      if (Float.isFinite(w)) {
        assertEquals((byte) bits, NumberFormat.toF8E5M2(w), "e5m2 of " + w);
      }
    }
  }

  @Test
  void f8RoundsToTheNearestOfAllPatterns() {
    Random r = new Random(2);
    for (int i = 0; i < 20_000; i++) {
      float v = (float) (r.nextGaussian() * Math.pow(2, r.nextInt(18) - 10));
      double best = Double.POSITIVE_INFINITY;
      for (int bits = 0; bits < 256; bits++) {
        float candidate = NumberFormat.fromF8E4M3((byte) bits);
        if (!Float.isNaN(candidate)) {
          best = Math.min(best, Math.abs((double) candidate - v));
        }
      }
      float rounded = NumberFormat.fromF8E4M3(NumberFormat.toF8E4M3(v));
      assertEquals(best, Math.abs((double) rounded - v), 0.0, "of " + v);
    }
  }

  @Test
  void piInEachType() {
    float pi = (float) Math.PI;
    assertEquals(
        "3.14159274101257324219",
        new java.math.BigDecimal(pi).setScale(20, java.math.RoundingMode.HALF_EVEN).toString());
    assertEquals(3.140625f, NumberFormat.fromF16(NumberFormat.toF16(pi)));
    assertEquals(3.140625f, NumberFormat.fromBf16(NumberFormat.toBf16(pi)));
    assertEquals(3.25f, NumberFormat.fromF8E4M3(NumberFormat.toF8E4M3(pi)));
    assertEquals(3.0f, NumberFormat.fromF8E5M2(NumberFormat.toF8E5M2(pi)));
  }

  @Test
  void largestFiniteValues() {
    assertEquals(65504f, NumberFormat.fromF16((short) 0x7bff));
    assertEquals(3.3895314e38f, NumberFormat.fromBf16((short) 0x7f7f));
    assertEquals(448f, NumberFormat.fromF8E4M3((byte) 0x7e));
    assertEquals(57344f, NumberFormat.fromF8E5M2((byte) 0x7b));
  }

  /**
   * Round to nearest of a block leaves at most half a step, plus the fp16 rounding of the scale
   * times the largest code. Q4_0 clips one side: its extreme code has no partner of the other sign,
   * there the error is at most one step.
   */
  @Test
  void blockErrorsStayWithinTheirStep() {
    Random r = new Random(3);
    for (int trial = 0; trial < 500; trial++) {
      float[] values = new float[45];
      float amax = 0;
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) r.nextGaussian();
      }
      for (DType type : new DType[] {DType.Q8_0, DType.Q4_0}) {
        float[] back = roundTrip(type, values);
        for (int block = 0; block < values.length; block += 32) {
          amax = 0;
          int end = Math.min(values.length, block + 32);
          for (int i = block; i < end; i++) {
            amax = Math.max(amax, Math.abs(values[i]));
          }
          double step = type == DType.Q8_0 ? amax / 127 / 2 : amax / 8;
          double bound = step * (1 + 0x1p-10) + amax * 0x1p-11;
          for (int i = block; i < end; i++) {
            assertTrue(
                Math.abs(values[i] - back[i]) <= bound, type + " " + values[i] + " → " + back[i]);
          }
        }
      }
    }
  }

  private static float[] roundTrip(DType type, float[] values) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment bytes = arena.allocate(type.rowBytes(values.length));
      BlockFormat.encodeRow(type, values, 0, values.length, bytes, 0);
      float[] out = new float[values.length];
      BlockFormat.decodeRow(type, bytes, 0, values.length, out, 0);
      return out;
    }
  }

  @Test
  void bytesOfRows() {
    assertEquals(34, DType.Q8_0.rowBytes(32));
    assertEquals(6 * 34, DType.Q8_0.rowBytes(172));
    assertEquals(18L * 64 * 2048, DType.Q4_0.bytes(2048, 2048));
    assertEquals(210, DType.Q6_K.rowBytes(256));
  }
}
