package assay.backend.cpu.kernel;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemorySegment;

/**
 * The address space as one segment, so that kernels of both kinds, Java and machine code, take
 * plain addresses, and hot loops see a single kind of segment without liveness checks. Nothing here
 * checks bounds: whoever hands out an address has checked the tensor that it comes from.
 */
public final class RawMemory {
  /** All of it; the offset is the address. */
  @SuppressWarnings("restricted")
  public static final MemorySegment ALL = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

  private RawMemory() {}

  /** The fp32 there. */
  public static float getFloat(long address) {
    return ALL.get(JAVA_FLOAT_UNALIGNED, address);
  }

  /** Writes an fp32. */
  public static void setFloat(long address, float value) {
    ALL.set(JAVA_FLOAT_UNALIGNED, address, value);
  }

  /** The int32 there. */
  public static int getInt(long address) {
    return ALL.get(JAVA_INT_UNALIGNED, address);
  }

  /** Writes an int32. */
  public static void setInt(long address, int value) {
    ALL.set(JAVA_INT_UNALIGNED, address, value);
  }

  /** The 16 bits there. */
  public static short getShort(long address) {
    return ALL.get(JAVA_SHORT_UNALIGNED, address);
  }

  /** Writes 16 bits. */
  public static void setShort(long address, short value) {
    ALL.set(JAVA_SHORT_UNALIGNED, address, value);
  }

  /** The byte there. */
  public static byte getByte(long address) {
    return ALL.get(JAVA_BYTE, address);
  }

  /** Writes a byte. */
  public static void setByte(long address, byte value) {
    ALL.set(JAVA_BYTE, address, value);
  }

  /** Copies {@code bytes} between areas that do not overlap. */
  public static void copy(long from, long to, long bytes) {
    MemorySegment.copy(ALL, from, ALL, to, bytes);
  }

  /**
   * Sets {@code bytes}, a multiple of 4, to zero. Not by a slice: that would be an object per call.
   */
  public static void clear(long address, long bytes) {
    for (long i = 0; i < bytes; i += 4) {
      setInt(address + i, 0);
    }
  }
}
