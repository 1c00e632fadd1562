package assay.backend.cuda;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The arguments of one launch in a direct buffer that is used again for the next: slot i holds
 * argument i in its first bytes, 8 bytes a slot, as {@code cuLaunchKernel}'s array of pointers
 * wants it (its i-th pointer is {@code buffer + 8·i}, always, so it can be built once).
 */
final class KernelArgs {
  /** More than any kernel has. */
  static final int MAX_ARGS = 32;

  private final ByteBuffer slots =
      ByteBuffer.allocateDirect(8 * MAX_ARGS).order(ByteOrder.nativeOrder());
  private int count;

  /** Starts a new list. */
  KernelArgs begin() {
    count = 0;
    return this;
  }

  /** A device address; 0 for none. */
  KernelArgs ptr(long address) {
    slots.putLong(8 * count++, address);
    return this;
  }

  /** A 64-bit integer. */
  KernelArgs i64(long value) {
    return ptr(value);
  }

  /** A 32-bit integer. */
  KernelArgs i32(int value) {
    slots.putInt(8 * count++, value);
    return this;
  }

  /** A flag. */
  KernelArgs flag(boolean value) {
    return i32(value ? 1 : 0);
  }

  /** A float. */
  KernelArgs f32(float value) {
    slots.putFloat(8 * count++, value);
    return this;
  }

  /** How many there are. */
  int count() {
    return count;
  }

  /** The slots; the buffer stays the same for the life of this object. */
  ByteBuffer slots() {
    return slots;
  }
}
