package assay.tokenizer;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The alphabet of byte-level BPE (GPT-2): each byte is written as one printable character; bytes
 * that are printable in Latin-1 stand for themselves, the other 68 follow from U+0100 on.
 */
final class ByteLevel {
  private static final char[] CHAR_OF = new char[256];
  private static final short[] BYTE_OF = new short[256 + 68];

  static {
    Arrays.fill(BYTE_OF, (short) -1);
    int next = 256;
    for (int b = 0; b < 256; b++) {
      boolean printable = (b >= '!' && b <= '~') || (b >= 0xa1 && b != 0xad);
      CHAR_OF[b] = (char) (printable ? b : next++);
      BYTE_OF[CHAR_OF[b]] = (short) b;
    }
  }

  private ByteLevel() {}

  /** The bytes that a token's text stands for; null where a character is outside the alphabet. */
  static byte @Nullable [] decode(String token) {
    byte[] out = new byte[token.length()];
    for (int i = 0; i < out.length; i++) {
      char c = token.charAt(i);
      if (c >= BYTE_OF.length || BYTE_OF[c] < 0) {
        return null;
      }
      out[i] = (byte) BYTE_OF[c];
    }
    return out;
  }

  /** Bytes as a token's text. */
  static String encode(byte[] bytes) {
    StringBuilder out = new StringBuilder(bytes.length);
    for (byte b : bytes) {
      out.append(CHAR_OF[b & 0xff]);
    }
    return out.toString();
  }
}
