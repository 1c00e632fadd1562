package assay.fuzz;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Makes broken files out of whole ones: flipped bits, lying lengths, huge counts, cut and spliced
 * pieces, and for text also swapped numbers and strings and deep nesting. The same seed gives the
 * same files.
 */
final class Mutator {
  private static final long[] NUMBERS = {
    0,
    1,
    2,
    3,
    7,
    8,
    15,
    16,
    31,
    32,
    63,
    64,
    127,
    128,
    255,
    256,
    0x7fff,
    0x8000,
    0xffff,
    0x10000,
    0x7fffffffL,
    0x80000000L,
    0xffffffffL,
    0x100000000L,
    0x3fffffffffffffffL,
    Long.MAX_VALUE,
    Long.MIN_VALUE,
    -1,
    -2,
    1L << 20,
    1L << 24,
    1L << 31,
    1L << 40,
    1L << 62
  };
  private static final String[] WORDS = {
    "null",
    "true",
    "false",
    "-1",
    "0",
    "1e999",
    "-0.0",
    "1e-320",
    "2147483647",
    "2147483648",
    "9223372036854775807",
    "18446744073709551615",
    "1.5",
    "\"\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"x\\ud800y\"",
    "[]",
    "{}",
    "[[]]",
    "\"F32\"",
    "\"F64\"",
    "\"(.*)*\"",
    "\"\\ufeff\"",
    "\"é😀\"",
    "99999999999999999999999"
  };
  private static final Pattern TOKEN =
      Pattern.compile("\"(?:[^\"\\\\]++|\\\\.)*+\"|-?\\d+(?:\\.\\d+)?(?:[eE][+-]?\\d+)?|\\w+");

  private final SplittableRandom random;
  private final List<byte[]> seeds;
  private final boolean text;

  Mutator(long seed, List<byte[]> seeds, boolean text) {
    this.random = new SplittableRandom(seed);
    this.seeds = seeds;
    this.text = text;
  }

  byte[] next() {
    byte[] b = seeds.get(random.nextInt(seeds.size())).clone();
    int changes = 1 + random.nextInt(random.nextInt(8) == 0 ? 12 : 3);
    for (int i = 0; i < changes; i++) {
      b = text && random.nextInt(3) > 0 ? changeText(b) : changeBytes(b);
    }
    return b;
  }

  private byte[] changeBytes(byte[] b) {
    if (b.length < 16) {
      return b;
    }
    // Headers are where the sizes are.
    int at = random.nextInt(4) == 0 ? random.nextInt(b.length) : random.nextInt(head(b.length));
    switch (random.nextInt(9)) {
      case 0, 1 -> b[at] ^= (byte) (1 << random.nextInt(8));
      case 2 -> b[at] = (byte) random.nextInt(256);
      case 3 -> put(b, at, 8, number());
      case 4 -> put(b, at, 4, number());
      case 5 -> put(b, at, 8, b.length + random.nextInt(-9, 10));
      case 6 -> {
        return Arrays.copyOf(b, random.nextInt(b.length));
      }
      case 7 -> {
        byte[] other = seeds.get(random.nextInt(seeds.size()));
        int from = random.nextInt(other.length);
        int length = Math.min(random.nextInt(1, 200), other.length - from);
        return spliced(b, at, random.nextInt(Math.min(200, b.length - at)), other, from, length);
      }
      default -> {
        int length = Math.min(random.nextInt(1, 64), b.length - at);
        return spliced(b, at, random.nextInt(2) * length, b, at, length);
      }
    }
    return b;
  }

  private static int head(int length) {
    return Math.max(16, Math.min(length, Math.max(600, length / 4)));
  }

  private long number() {
    long n = NUMBERS[random.nextInt(NUMBERS.length)];
    return random.nextInt(3) == 0 ? n + random.nextInt(-2, 3) : n;
  }

  private static void put(byte[] b, int at, int bytes, long value) {
    byte[] v = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array();
    System.arraycopy(v, 0, b, at, Math.min(bytes, b.length - at));
  }

  private static byte[] spliced(byte[] b, int at, int removed, byte[] other, int from, int length) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(b, 0, at);
    out.write(other, from, length);
    out.write(b, at + removed, b.length - at - removed);
    return out.toByteArray();
  }

  private byte[] changeText(byte[] b) {
    String s = new String(b, StandardCharsets.ISO_8859_1);
    Matcher m = TOKEN.matcher(s);
    // The token from a random place on, without looking at all of them.
    if (s.isEmpty() || !m.find(random.nextInt(s.length()))) {
      return b;
    }
    String with =
        switch (random.nextInt(6)) {
          case 0, 1 -> WORDS[random.nextInt(WORDS.length)];
          case 2 -> String.valueOf(number());
          case 3 -> otherToken(s);
          case 4 -> "[".repeat(1 << random.nextInt(16));
          default -> m.group() + "," + m.group();
        };
    byte[] w = with.getBytes(StandardCharsets.UTF_8);
    return spliced(b, m.start(), m.end() - m.start(), w, 0, w.length);
  }

  private String otherToken(String s) {
    Matcher m = TOKEN.matcher(s);
    return m.find(random.nextInt(s.length())) ? m.group() : "x";
  }
}
