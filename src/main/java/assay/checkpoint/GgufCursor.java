package assay.checkpoint;

import assay.model.UserError;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * Reads little-endian numbers and strings off a mapped file, one after another. Every step is
 * checked against what is left of the file before it is taken, so that no length in the file can
 * make us allocate or read more than the file holds.
 */
final class GgufCursor {
  static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  static final ValueLayout.OfDouble DOUBLE =
      ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final Path path;
  private final MemorySegment file;
  private long position;

  GgufCursor(Path path, MemorySegment file) {
    this.path = path;
    this.file = file;
  }

  /** Another cursor at the same place. */
  GgufCursor copy() {
    GgufCursor c = new GgufCursor(path, file);
    c.position = position;
    return c;
  }

  MemorySegment file() {
    return file;
  }

  long position() {
    return position;
  }

  long remaining() {
    return file.byteSize() - position;
  }

  UserError error(String message) {
    return new UserError(path + ": " + message);
  }

  /** Moves on by {@code bytes} and returns where they began. */
  long take(String what, long bytes) {
    if (bytes < 0 || bytes > remaining()) {
      throw error(
          "%s needs %s bytes at byte %d: the file has %d left"
              .formatted(what, Long.toUnsignedString(bytes), position, remaining()));
    }
    long at = position;
    position += bytes;
    return at;
  }

  byte nextByte(String what) {
    return file.get(ValueLayout.JAVA_BYTE, take(what, 1));
  }

  short nextShort(String what) {
    return file.get(SHORT, take(what, 2));
  }

  int nextInt(String what) {
    return file.get(INT, take(what, 4));
  }

  long nextLong(String what) {
    return file.get(LONG, take(what, 8));
  }

  float nextFloat(String what) {
    return file.get(FLOAT, take(what, 4));
  }

  double nextDouble(String what) {
    return file.get(DOUBLE, take(what, 8));
  }

  /**
   * A count of things of which each takes at least {@code bytesEach} of the file: more than can be
   * there is refused.
   */
  long count(String what, long bytesEach) {
    long n = nextLong("the number of " + what);
    if (n < 0 || n > remaining() / bytesEach) {
      throw error(
          "claims %s %s: the %d bytes that are left hold at most %d"
              .formatted(Long.toUnsignedString(n), what, remaining(), remaining() / bytesEach));
    }
    return n;
  }

  byte[] bytes(String what) {
    long length = nextLong("the length of " + what);
    long at = take(what, length);
    if (length > Integer.MAX_VALUE - 8) {
      throw error(what + " is " + length + " bytes long: expected less than 2 GiB");
    }
    return file.asSlice(at, length).toArray(ValueLayout.JAVA_BYTE);
  }

  /** A string; malformed UTF-8 becomes replacement characters. */
  String string(String what) {
    return new String(bytes(what), StandardCharsets.UTF_8);
  }

  void skipString(String what) {
    long length = nextLong("the length of " + what);
    take(what, length);
  }
}
