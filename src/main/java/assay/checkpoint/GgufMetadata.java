package assay.checkpoint;

import java.lang.foreign.ValueLayout;
import java.util.HashSet;
import java.util.Set;

/** Metadata of a GGUF file to be written, as the bytes that the file will hold. */
public final class GgufMetadata {
  private final LittleEndianBytes out = new LittleEndianBytes();
  private final Set<String> keys = new HashSet<>();

  /** A string. */
  public GgufMetadata string(String key, String value) {
    begin(key, GgufValueType.STRING);
    out.string(value);
    return this;
  }

  /** A whole number of 32 bits, as llama.cpp wants its counts and ids. */
  public GgufMetadata uint32(String key, long value) {
    begin(key, GgufValueType.UINT32);
    out.int32((int) value);
    return this;
  }

  /** A float. */
  public GgufMetadata float32(String key, double value) {
    begin(key, GgufValueType.FLOAT32);
    out.int32(Float.floatToRawIntBits((float) value));
    return this;
  }

  /** True or false. */
  public GgufMetadata flag(String key, boolean value) {
    begin(key, GgufValueType.BOOL);
    out.int8(value ? 1 : 0);
    return this;
  }

  /** Strings, as bytes. */
  public GgufMetadata strings(String key, byte[][] values) {
    beginArray(key, GgufValueType.STRING, values.length);
    for (byte[] v : values) {
      out.string(v);
    }
    return this;
  }

  /** Floats. */
  public GgufMetadata floats(String key, float[] values) {
    beginArray(key, GgufValueType.FLOAT32, values.length);
    for (float v : values) {
      out.int32(Float.floatToRawIntBits(v));
    }
    return this;
  }

  /** Signed numbers of 32 bits. */
  public GgufMetadata ints(String key, int[] values) {
    beginArray(key, GgufValueType.INT32, values.length);
    for (int v : values) {
      out.int32(v);
    }
    return this;
  }

  /** True and false. */
  public GgufMetadata flags(String key, boolean[] values) {
    beginArray(key, GgufValueType.BOOL, values.length);
    for (boolean v : values) {
      out.int8(v ? 1 : 0);
    }
    return this;
  }

  /** Everything of another file whose key begins so. */
  public GgufMetadata copy(GgufFile file, String prefix) {
    file.metadata()
        .forEach(
            (key, value) -> {
              if (key.startsWith(prefix)) {
                copyOne(key, value);
              }
            });
    return this;
  }

  private void copyOne(String key, Object value) {
    switch (value) {
      case String s -> string(key, s);
      case Boolean b -> flag(key, b);
      case Long n -> uint32(key, n);
      case Double d -> float32(key, d);
      case GgufArray a -> {
        beginArray(key, a.elementType(), a.size());
        out.raw(a.raw().toArray(ValueLayout.JAVA_BYTE));
      }
      default -> throw new IllegalArgumentException(key + " is a " + value.getClass());
    }
  }

  private void begin(String key, GgufValueType type) {
    if (!keys.add(key)) {
      throw new IllegalArgumentException("the key '" + key + "' twice");
    }
    out.string(key);
    out.int32(type.code());
  }

  private void beginArray(String key, GgufValueType element, int count) {
    begin(key, GgufValueType.ARRAY);
    out.int32(element.code());
    out.int64(count);
  }

  int size() {
    return keys.size();
  }

  byte[] toBytes() {
    return out.toBytes();
  }
}
