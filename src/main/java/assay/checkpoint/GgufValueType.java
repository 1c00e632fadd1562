package assay.checkpoint;

import java.util.Locale;

/** Types of metadata values, with their numbers in the file. */
enum GgufValueType {
  UINT8(0, 1),
  INT8(1, 1),
  UINT16(2, 2),
  INT16(3, 2),
  UINT32(4, 4),
  INT32(5, 4),
  FLOAT32(6, 4),
  BOOL(7, 1),
  /** At least its length field. */
  STRING(8, 8),
  /** At least its element type and count. */
  ARRAY(9, 12),
  UINT64(10, 8),
  INT64(11, 8),
  FLOAT64(12, 8);

  /** Arrays of arrays deeper than this are an attack on the stack, not metadata. */
  static final int MAX_DEPTH = 4;

  private final int code;
  private final int minBytes;

  GgufValueType(int code, int minBytes) {
    this.code = code;
    this.minBytes = minBytes;
  }

  /** Its number in the file. */
  int code() {
    return code;
  }

  /** The least that one value takes in the file. */
  int minBytes() {
    return minBytes;
  }

  boolean isInteger() {
    return switch (this) {
      case FLOAT32, FLOAT64, BOOL, STRING, ARRAY -> false;
      default -> true;
    };
  }

  boolean isNumber() {
    return isInteger() || this == FLOAT32 || this == FLOAT64;
  }

  String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  static GgufValueType next(GgufCursor c, String key) {
    int code = c.nextInt("the type of " + key);
    for (GgufValueType t : values()) {
      if (t.code == code) {
        return t;
      }
    }
    throw c.error(
        "%s is of the unknown type %s: expected 0 to %d"
            .formatted(key, Integer.toUnsignedString(code), values().length - 1));
  }

  /** The value: Long, Double, Boolean, String; a GgufArray is made by the caller. */
  Object read(GgufCursor c, String key) {
    return switch (this) {
      case UINT8 -> (long) Byte.toUnsignedInt(c.nextByte(key));
      case INT8 -> (long) c.nextByte(key);
      case UINT16 -> (long) Short.toUnsignedInt(c.nextShort(key));
      case INT16 -> (long) c.nextShort(key);
      case UINT32 -> Integer.toUnsignedLong(c.nextInt(key));
      case INT32 -> (long) c.nextInt(key);
      case UINT64, INT64 -> c.nextLong(key);
      case FLOAT32 -> (double) c.nextFloat(key);
      case FLOAT64 -> c.nextDouble(key);
      case BOOL -> c.nextByte(key) != 0;
      case STRING -> c.string(key);
      case ARRAY -> throw new IllegalStateException("arrays are read by GgufFile");
    };
  }

  /** Walks over one value, checking it. */
  void skip(GgufCursor c, String key, int depth) {
    switch (this) {
      case STRING -> c.skipString(key);
      case ARRAY -> skipArray(c, key, depth + 1);
      default -> c.take(key, minBytes);
    }
  }

  private static void skipArray(GgufCursor c, String key, int depth) {
    if (depth > MAX_DEPTH) {
      throw c.error(key + " nests arrays more than " + MAX_DEPTH + " deep");
    }
    GgufValueType element = next(c, "the elements of " + key);
    long n = c.count("elements of " + key, element.minBytes);
    element.skipAll(c, key, n, depth);
  }

  /** Walks over {@code n} values. */
  void skipAll(GgufCursor c, String key, long n, int depth) {
    if (this != STRING && this != ARRAY) {
      c.take(key, n * minBytes);
      return;
    }
    for (long i = 0; i < n; i++) {
      skip(c, key, depth);
    }
  }
}
