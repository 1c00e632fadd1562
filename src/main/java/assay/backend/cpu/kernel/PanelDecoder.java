package assay.backend.cpu.kernel;

import static assay.backend.cpu.kernel.RawMemory.ALL;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import assay.model.DType;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * Weights of a panel as fp32 vectors, in the Vector API: one vector holds the same column of as
 * many rows as it has lanes, from row {@code lane} on. Every conversion is exact, subnormal,
 * infinite and NaN fp16 among them.
 */
final class PanelDecoder {
  private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Integer> I = IntVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Short> S =
      VectorSpecies.of(
          short.class, VectorShape.forBitSize(IntVector.SPECIES_PREFERRED.vectorBitSize() / 2));
  private static final int ROWS = PanelLayout.ROWS;

  /** Makes a byte of Q8_0's panels signed again. */
  private static final int SIGNED_BYTES = 0x80808080;

  /** Turns the nibble q of Q4_0 into the two's complement of q − 8. */
  private static final int SIGNED_NIBBLES = 0x88888888;

  private PanelDecoder() {}

  /** out[lane …] (+)= Σ_k x[k] · w[k][lane …]. */
  static void dot(
      DType type, long panel, int lane, long x, int columns, long out, boolean accumulate) {
    switch (type) {
      case F32 -> dotF32(panel + 4L * lane, x, columns, out, accumulate);
      case F16 -> dotF16(panel + 2L * lane, x, columns, out, accumulate);
      case BF16 -> dotBf16(panel, lane, x, columns, out, accumulate);
      case Q8_0 -> dotQ8(panel, lane, x, columns, out, accumulate);
      case Q4_0 -> dotQ4(panel, lane, x, columns, out, accumulate);
      default -> throw new IllegalArgumentException("no panels of " + type);
    }
  }

  /** Each way stores: a vector that depended on the branch would be made on the heap. */
  static void finish(FloatVector sum, long out, boolean accumulate) {
    if (accumulate) {
      put(sum.add(floats(out)), out);
    } else {
      put(sum, out);
    }
  }

  /** Decodes {@code columns} columns of a full panel to fp32 [column][16] at {@code target}. */
  static void decode(DType type, long panel, int columns, long target) {
    for (int lane = 0; lane < ROWS; lane += F.length()) {
      long to = target + 4L * lane;
      switch (type) {
        case F32 -> throw new IllegalArgumentException("already fp32");
        case F16 -> {
          for (int k = 0; k < columns; k++) {
            put(half(panel + 2L * lane + 32L * k), to + 64L * k);
          }
        }
        case BF16 -> decodeBf16(panel, lane, columns, to);
        case Q8_0 -> decodeQ8(panel, lane, columns, to);
        case Q4_0 -> decodeQ4(panel, lane, columns, to);
        default -> throw new IllegalArgumentException("no panels of " + type);
      }
    }
  }

  private static void decodeBf16(long panel, int lane, int columns, long to) {
    int k = 0;
    for (; k + 2 <= columns; k += 2) {
      IntVector pair = ints(panel + 32L * k + 4L * lane);
      put(low(pair), to + 64L * k);
      put(high(pair), to + 64L * k + 64);
    }
    if (k < columns) {
      put(lastBf16(panel + 32L * k + 2L * lane), to + 64L * k);
    }
  }

  private static void decodeQ8(long panel, int lane, int columns, long to) {
    for (int block = 0; 32 * block < columns; block++) {
      long at = panel + 16L * DType.Q8_0.blockBytes() * block;
      FloatVector scale = half(at + 2L * lane);
      for (int g = 0; g < 8; g++) {
        IntVector quants =
            ints(at + 32 + 64L * g + 4L * lane).lanewise(VectorOperators.XOR, SIGNED_BYTES);
        for (int t = 0; t < 4; t++) {
          put(signed(quants, 24 - 8 * t, 24).mul(scale), to + 64L * (32 * block + 4 * g + t));
        }
      }
    }
  }

  private static void decodeQ4(long panel, int lane, int columns, long to) {
    for (int block = 0; 32 * block < columns; block++) {
      long at = panel + 16L * DType.Q4_0.blockBytes() * block;
      FloatVector scale = half(at + 2L * lane);
      for (int j = 0; j < 4; j++) {
        IntVector quants =
            ints(at + 32 + 64L * j + 4L * lane).lanewise(VectorOperators.XOR, SIGNED_NIBBLES);
        for (int t = 0; t < 4; t++) {
          long k = 32L * block + 4L * j + t;
          put(signed(quants, 28 - 8 * t, 28).mul(scale), to + 64 * k);
          put(signed(quants, 24 - 8 * t, 28).mul(scale), to + 64 * (k + 16));
        }
      }
    }
  }

  private static void dotF32(long w, long x, int columns, long out, boolean accumulate) {
    FloatVector s0 = FloatVector.zero(F);
    FloatVector s1 = s0;
    FloatVector s2 = s0;
    FloatVector s3 = s0;
    int k = 0;
    for (; k + 4 <= columns; k += 4) {
      long at = w + 64L * k;
      long y = x + 4L * k;
      s0 = floats(at).fma(broadcast(y), s0);
      s1 = floats(at + 64).fma(broadcast(y + 4), s1);
      s2 = floats(at + 128).fma(broadcast(y + 8), s2);
      s3 = floats(at + 192).fma(broadcast(y + 12), s3);
    }
    for (; k < columns; k++) {
      s0 = floats(w + 64L * k).fma(broadcast(x + 4L * k), s0);
    }
    finish(s0.add(s1).add(s2.add(s3)), out, accumulate);
  }

  private static void dotF16(long w, long x, int columns, long out, boolean accumulate) {
    FloatVector s0 = FloatVector.zero(F);
    FloatVector s1 = s0;
    int k = 0;
    for (; k + 2 <= columns; k += 2) {
      s0 = half(w + 32L * k).fma(broadcast(x + 4L * k), s0);
      s1 = half(w + 32L * k + 32).fma(broadcast(x + 4L * k + 4), s1);
    }
    for (; k < columns; k++) {
      s0 = half(w + 32L * k).fma(broadcast(x + 4L * k), s0);
    }
    finish(s0.add(s1), out, accumulate);
  }

  private static void dotBf16(
      long panel, int lane, long x, int columns, long out, boolean accumulate) {
    long w = panel + 4L * lane;
    FloatVector s0 = FloatVector.zero(F);
    FloatVector s1 = s0;
    FloatVector s2 = s0;
    FloatVector s3 = s0;
    int k = 0;
    for (; k + 4 <= columns; k += 4) {
      IntVector a = ints(w + 32L * k);
      IntVector b = ints(w + 32L * k + 64);
      long y = x + 4L * k;
      s0 = low(a).fma(broadcast(y), s0);
      s1 = high(a).fma(broadcast(y + 4), s1);
      s2 = low(b).fma(broadcast(y + 8), s2);
      s3 = high(b).fma(broadcast(y + 12), s3);
    }
    for (; k + 2 <= columns; k += 2) {
      IntVector a = ints(w + 32L * k);
      s0 = low(a).fma(broadcast(x + 4L * k), s0);
      s1 = high(a).fma(broadcast(x + 4L * k + 4), s1);
    }
    for (; k < columns; k++) {
      s2 = lastBf16(panel + 32L * k + 2L * lane).fma(broadcast(x + 4L * k), s2);
    }
    finish(s0.add(s1).add(s2.add(s3)), out, accumulate);
  }

  private static void dotQ8(
      long panel, int lane, long x, int columns, long out, boolean accumulate) {
    FloatVector sum = FloatVector.zero(F);
    for (int k = 0; k < columns; k += 32) {
      long at = panel + 16L * DType.Q8_0.blockBytes() * (k >> 5);
      long quants = at + 32 + 4L * lane;
      FloatVector s0 = FloatVector.zero(F);
      FloatVector s1 = s0;
      // The padding of the last block is zeros, but x ends with its columns.
      int groups = Math.min(8, (columns - k) >> 2);
      for (int g = 0; g < groups; g++) {
        IntVector q = ints(quants + 64L * g).lanewise(VectorOperators.XOR, SIGNED_BYTES);
        long y = x + 4L * (k + 4 * g);
        s0 = signed(q, 24, 24).fma(broadcast(y), s0);
        s1 = signed(q, 16, 24).fma(broadcast(y + 4), s1);
        s0 = signed(q, 8, 24).fma(broadcast(y + 8), s0);
        s1 = signed(q, 0, 24).fma(broadcast(y + 12), s1);
      }
      for (int j = k + 4 * groups; j < Math.min(columns, k + 32); j++) {
        IntVector q = ints(quants + 64L * groups).lanewise(VectorOperators.XOR, SIGNED_BYTES);
        s0 = signed(q, 24 - 8 * (j & 3), 24).fma(broadcast(x + 4L * j), s0);
      }
      sum = half(at + 2L * lane).fma(s0.add(s1), sum);
    }
    finish(sum, out, accumulate);
  }

  private static void dotQ4(
      long panel, int lane, long x, int columns, long out, boolean accumulate) {
    FloatVector sum = FloatVector.zero(F);
    for (int k = 0; k < columns; k += 32) {
      long at = panel + 16L * DType.Q4_0.blockBytes() * (k >> 5);
      long quants = at + 32 + 4L * lane;
      FloatVector s0 = FloatVector.zero(F);
      FloatVector s1 = s0;
      int whole = columns - k >= 32 ? 16 : 0;
      for (int j = 0; j < whole; j += 4) {
        IntVector q = ints(quants + 16L * j).lanewise(VectorOperators.XOR, SIGNED_NIBBLES);
        long y = x + 4L * (k + j);
        for (int t = 0; t < 4; t++) {
          s0 = signed(q, 28 - 8 * t, 28).fma(broadcast(y + 4L * t), s0);
          s1 = signed(q, 24 - 8 * t, 28).fma(broadcast(y + 4L * t + 64), s1);
        }
      }
      for (int j = k + 2 * whole; j < Math.min(columns, k + 32); j++) {
        int inGroup = (j & 3) * 8 + ((j & 16) == 0 ? 0 : 4);
        long group = quants + 64L * ((j & 15) >> 2);
        IntVector q = ints(group).lanewise(VectorOperators.XOR, SIGNED_NIBBLES);
        s0 = signed(q, 28 - inGroup, 28).fma(broadcast(x + 4L * j), s0);
      }
      sum = half(at + 2L * lane).fma(s0.add(s1), sum);
    }
    finish(sum, out, accumulate);
  }

  /**
   * The bits that a shift by {@code left} brings to the top, as a signed number of 32 − {@code
   * right} bits.
   */
  private static FloatVector signed(IntVector v, int left, int right) {
    return (FloatVector)
        v.lanewise(VectorOperators.LSHL, left)
            .lanewise(VectorOperators.ASHR, right)
            .convert(VectorOperators.I2F, 0);
  }

  private static FloatVector low(IntVector pair) {
    return pair.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
  }

  private static FloatVector high(IntVector pair) {
    return pair.lanewise(VectorOperators.AND, 0xffff0000).reinterpretAsFloats();
  }

  private static FloatVector lastBf16(long address) {
    return low(shorts(address));
  }

  /**
   * fp16 to fp32: the shift puts exponent and fraction in their place, the multiplication mends the
   * exponent's bias and normalises subnormals; exponent 31 is forced to 255.
   */
  static FloatVector half(long address) {
    IntVector bits = shorts(address);
    FloatVector value =
        bits.lanewise(VectorOperators.LSHL, 13)
            .lanewise(VectorOperators.AND, 0x8fffe000)
            .reinterpretAsFloats()
            .mul(0x1p112f);
    var special = bits.lanewise(VectorOperators.AND, 0x7c00).compare(VectorOperators.EQ, 0x7c00);
    IntVector result = value.reinterpretAsInts();
    return result.lanewise(VectorOperators.OR, 0x7f800000, special).reinterpretAsFloats();
  }

  private static IntVector shorts(long address) {
    return (IntVector)
        ShortVector.fromMemorySegment(S, ALL, address, LITTLE_ENDIAN)
            .convertShape(VectorOperators.S2I, I, 0);
  }

  private static IntVector ints(long address) {
    return IntVector.fromMemorySegment(I, ALL, address, LITTLE_ENDIAN);
  }

  private static FloatVector floats(long address) {
    return FloatVector.fromMemorySegment(F, ALL, address, LITTLE_ENDIAN);
  }

  private static FloatVector broadcast(long address) {
    return FloatVector.broadcast(F, RawMemory.getFloat(address));
  }

  private static void put(FloatVector v, long address) {
    v.intoMemorySegment(ALL, address, LITTLE_ENDIAN);
  }
}
