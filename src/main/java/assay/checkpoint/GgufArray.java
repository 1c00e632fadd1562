package assay.checkpoint;

import assay.model.UserError;
import java.lang.foreign.MemorySegment;

/**
 * An array among the metadata. It was walked through and checked when the file was opened; its
 * elements are read on demand, since vocabularies are long and many commands do not need them.
 */
public final class GgufArray {
  private final String key;
  private final GgufValueType elementType;
  private final long size;
  private final GgufCursor start;
  private final long bytes;

  GgufArray(String key, GgufValueType elementType, long size, GgufCursor start, long bytes) {
    this.key = key;
    this.elementType = elementType;
    this.size = size;
    this.start = start;
    this.bytes = bytes;
  }

  /** Number of elements. */
  public int size() {
    return Math.toIntExact(size);
  }

  /**
   * The elements' bytes.
   *
   * @throws UserError when they are no strings
   */
  public byte[][] strings() {
    GgufCursor c = require("strings", elementType == GgufValueType.STRING);
    byte[][] out = new byte[size()][];
    for (int i = 0; i < out.length; i++) {
      out[i] = c.bytes(key);
    }
    return out;
  }

  /**
   * The elements as floats, whole numbers converted.
   *
   * @throws UserError when they are no numbers
   */
  public float[] floats() {
    GgufCursor c = require("numbers", elementType.isNumber());
    float[] out = new float[size()];
    for (int i = 0; i < out.length; i++) {
      out[i] = ((Number) elementType.read(c, key)).floatValue();
    }
    return out;
  }

  /**
   * The elements as ints.
   *
   * @throws UserError when they are no whole numbers of 32 bits
   */
  public int[] ints() {
    GgufCursor c = require("whole numbers", elementType.isInteger());
    int[] out = new int[size()];
    for (int i = 0; i < out.length; i++) {
      long v = ((Number) elementType.read(c, key)).longValue();
      if (v != (int) v) {
        throw c.error(key + " holds " + v + ": expected numbers of 32 bits");
      }
      out[i] = (int) v;
    }
    return out;
  }

  /**
   * The elements as true or false.
   *
   * @throws UserError when they are neither
   */
  public boolean[] flags() {
    GgufCursor c = require("true or false", elementType == GgufValueType.BOOL);
    boolean[] out = new boolean[size()];
    for (int i = 0; i < out.length; i++) {
      out[i] = (Boolean) elementType.read(c, key);
    }
    return out;
  }

  private GgufCursor require(String expected, boolean met) {
    GgufCursor c = start.copy();
    if (!met) {
      throw c.error(key + " is an array of " + elementType.label() + ": expected " + expected);
    }
    return c;
  }

  /** For writing the array anew: its elements as they lie in the file. */
  MemorySegment raw() {
    return start.file().asSlice(start.position(), bytes);
  }

  GgufValueType elementType() {
    return elementType;
  }

  @Override
  public String toString() {
    return elementType.label() + "[" + size + "]";
  }
}
