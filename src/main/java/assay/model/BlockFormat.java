package assay.model;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Bytes to fp32 and back for every storage type, row by row: plain and obvious, the judge of the
 * fast paths. Block layouts are those of GGUF.
 *
 * <p>Q8_0: fp16 d, then 32 int8 q; value d·q. Q4_0: fp16 d, then 16 bytes, byte j holding element j
 * in its low and j + 16 in its high nibble; value d·(q − 8). Q4_1, Q5_0, Q5_1 and the K types are
 * read only.
 */
public final class BlockFormat {
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private BlockFormat() {}

  /**
   * Decodes one row of {@code columns} elements at byte {@code offset} into {@code out} from {@code
   * outIndex} on.
   */
  public static void decodeRow(
      DType type, MemorySegment in, long offset, int columns, float[] out, int outIndex) {
    switch (type) {
      case F32 -> {
        for (int i = 0; i < columns; i++) {
          out[outIndex + i] = in.get(FLOAT, offset + 4L * i);
        }
      }
      case F16 -> {
        for (int i = 0; i < columns; i++) {
          out[outIndex + i] = NumberFormat.fromF16(in.get(SHORT, offset + 2L * i));
        }
      }
      case BF16 -> {
        for (int i = 0; i < columns; i++) {
          out[outIndex + i] = NumberFormat.fromBf16(in.get(SHORT, offset + 2L * i));
        }
      }
      case F8E4M3 -> {
        for (int i = 0; i < columns; i++) {
          out[outIndex + i] = NumberFormat.fromF8E4M3(in.get(JAVA_BYTE, offset + i));
        }
      }
      case Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K -> {
        int n = type.blockElements();
        float[] block = new float[n];
        for (int first = 0; first < columns; first += n) {
          decodeBlock(type, in, offset + (long) (first / n) * type.blockBytes(), block);
          System.arraycopy(block, 0, out, outIndex + first, Math.min(n, columns - first));
        }
      }
      default -> throw new IllegalArgumentException("no fp32 value of " + type);
    }
  }

  /** Encodes one row of fp32 values, padding the last block with zeros. */
  public static void encodeRow(
      DType type, float[] values, int index, int columns, MemorySegment out, long offset) {
    switch (type) {
      case F32 -> {
        for (int i = 0; i < columns; i++) {
          out.set(FLOAT, offset + 4L * i, values[index + i]);
        }
      }
      case F16 -> {
        for (int i = 0; i < columns; i++) {
          out.set(SHORT, offset + 2L * i, NumberFormat.toF16(values[index + i]));
        }
      }
      case BF16 -> {
        for (int i = 0; i < columns; i++) {
          out.set(SHORT, offset + 2L * i, NumberFormat.toBf16(values[index + i]));
        }
      }
      case F8E4M3 -> {
        for (int i = 0; i < columns; i++) {
          out.set(JAVA_BYTE, offset + i, NumberFormat.toF8E4M3(values[index + i]));
        }
      }
      case Q8_0, Q4_0 -> {
        int n = type.blockElements();
        float[] block = new float[n];
        for (int first = 0; first < columns; first += n) {
          int filled = Math.min(n, columns - first);
          System.arraycopy(values, index + first, block, 0, filled);
          java.util.Arrays.fill(block, filled, n, 0f);
          long at = offset + (long) (first / n) * type.blockBytes();
          if (type == DType.Q8_0) {
            encodeQ8(block, out, at);
          } else {
            encodeQ4(block, out, at);
          }
        }
      }
      default -> throw new IllegalArgumentException("cannot encode " + type);
    }
  }

  private static void encodeQ8(float[] block, MemorySegment out, long at) {
    float amax = 0;
    for (float v : block) {
      amax = Math.max(amax, Math.abs(v));
    }
    float d = amax / 127;
    float inverse = d == 0 ? 0 : 1 / d;
    out.set(SHORT, at, NumberFormat.toF16(d));
    for (int i = 0; i < 32; i++) {
      float q = block[i] * inverse;
      // Halves go away from zero, as C's roundf: the same bytes as llama.cpp's quantiser.
      out.set(JAVA_BYTE, at + 2 + i, (byte) Math.copySign(Math.floor(Math.abs(q) + 0.5), q));
    }
  }

  private static void encodeQ4(float[] block, MemorySegment out, long at) {
    // The value of largest magnitude, with its sign, maps to −8: the format's one extra step is
    // used.
    float extreme = 0;
    for (float v : block) {
      if (Math.abs(v) > Math.abs(extreme) || Float.isNaN(v)) {
        extreme = v;
      }
    }
    float d = extreme / -8;
    float inverse = d == 0 ? 0 : 1 / d;
    out.set(SHORT, at, NumberFormat.toF16(d));
    for (int i = 0; i < 16; i++) {
      int low = Math.min(15, (int) (block[i] * inverse + 8.5f));
      int high = Math.min(15, (int) (block[i + 16] * inverse + 8.5f));
      out.set(JAVA_BYTE, at + 2 + i, (byte) (low | high << 4));
    }
  }

  private static void decodeBlock(DType type, MemorySegment in, long at, float[] out) {
    switch (type) {
      case Q8_0 -> {
        float d = half(in, at);
        for (int i = 0; i < 32; i++) {
          out[i] = d * in.get(JAVA_BYTE, at + 2 + i);
        }
      }
      case Q4_0 -> nibbles(in, at + 2, half(in, at), -8 * half(in, at), out);
      case Q4_1 -> nibbles(in, at + 4, half(in, at), half(in, at + 2), out);
      case Q5_0 -> fiveBits(in, at + 6, in.get(INT, at + 2), half(in, at), -16 * half(in, at), out);
      case Q5_1 -> fiveBits(in, at + 8, in.get(INT, at + 4), half(in, at), half(in, at + 2), out);
      case Q4_K -> decodeQ45K(in, at, false, out);
      case Q5_K -> decodeQ45K(in, at, true, out);
      case Q6_K -> decodeQ6K(in, at, out);
      default -> throw new IllegalArgumentException("not a block format: " + type);
    }
  }

  private static void nibbles(MemorySegment in, long at, float d, float offset, float[] out) {
    for (int i = 0; i < 16; i++) {
      int b = in.get(JAVA_BYTE, at + i);
      out[i] = d * (b & 15) + offset;
      out[i + 16] = d * (b >>> 4 & 15) + offset;
    }
  }

  private static void fiveBits(
      MemorySegment in, long at, int highBits, float d, float offset, float[] out) {
    for (int i = 0; i < 16; i++) {
      int b = in.get(JAVA_BYTE, at + i);
      out[i] = d * ((b & 15) | (highBits >>> i & 1) << 4) + offset;
      out[i + 16] = d * ((b >>> 4 & 15) | (highBits >>> (i + 16) & 1) << 4) + offset;
    }
  }

  /**
   * Super-blocks of 8 × 32: fp16 d and dmin, 8 six-bit scales and minima in 12 bytes, (high bits,)
   * nibbles.
   */
  private static void decodeQ45K(MemorySegment in, long at, boolean five, float[] out) {
    float d = half(in, at);
    float dmin = half(in, at + 2);
    long scales = at + 4;
    long high = at + 16;
    long low = five ? at + 48 : at + 16;
    for (int sub = 0; sub < 8; sub++) {
      float scale = d * sixBits(in, scales, sub, false);
      float min = dmin * sixBits(in, scales, sub, true);
      for (int i = 0; i < 32; i++) {
        int b = in.get(JAVA_BYTE, low + (sub / 2) * 32L + i);
        int q = sub % 2 == 0 ? b & 15 : b >>> 4 & 15;
        if (five) {
          q |= (in.get(JAVA_BYTE, high + i) >>> sub & 1) << 4;
        }
        out[sub * 32 + i] = scale * q - min;
      }
    }
  }

  private static int sixBits(MemorySegment in, long scales, int j, boolean minimum) {
    int offset = minimum ? 4 : 0;
    if (j < 4) {
      return in.get(JAVA_BYTE, scales + j + offset) & 63;
    }
    int low = in.get(JAVA_BYTE, scales + j + 4);
    int high = in.get(JAVA_BYTE, scales + j - 4 + offset);
    return (minimum ? low >>> 4 & 15 : low & 15) | (high >>> 6 & 3) << 4;
  }

  /** 256 six-bit values: 128 bytes of low nibbles, 64 of high pairs, 16 int8 scales, fp16 d. */
  private static void decodeQ6K(MemorySegment in, long at, float[] out) {
    float d = half(in, at + 208);
    for (int i = 0; i < 256; i++) {
      int part = i / 128;
      int r = i % 128;
      int quarter = r / 32;
      int l = r % 32;
      int lowByte = in.get(JAVA_BYTE, at + part * 64L + (quarter % 2) * 32L + l);
      int low = quarter < 2 ? lowByte & 15 : lowByte >>> 4 & 15;
      int high = in.get(JAVA_BYTE, at + 128 + part * 32L + l) >>> (2 * quarter) & 3;
      int scale = in.get(JAVA_BYTE, at + 192 + part * 8L + quarter * 2L + l / 16);
      out[i] = d * scale * ((low | high << 4) - 32);
    }
  }

  private static float half(MemorySegment in, long at) {
    return NumberFormat.fromF16(in.get(SHORT, at));
  }
}
