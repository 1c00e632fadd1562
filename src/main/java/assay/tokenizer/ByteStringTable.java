package assay.tokenizer;

import java.util.Arrays;

/**
 * Byte strings with a number each, found by any range of bytes: open addressing over one pool of
 * bytes, without an object per entry or per look-up (a vocabulary has 150,000).
 */
final class ByteStringTable {
  static final int ABSENT = -1;

  private byte[] pool = new byte[1 << 12];
  private int[] starts = new int[1 << 8];
  private int[] values = new int[1 << 8];
  private int[] slots = new int[1 << 10];
  private int size;
  private int longest;

  /** Sets the number of a string and returns the one it had, or {@link #ABSENT}. */
  int put(byte[] key, int value) {
    int slot = slotOf(key, 0, key.length);
    if (slots[slot] != 0) {
      int entry = slots[slot] - 1;
      int old = values[entry];
      values[entry] = value;
      return old;
    }
    append(key, value);
    slots[slot] = size;
    if (size * 3L > slots.length * 2L) {
      rehash();
    }
    return ABSENT;
  }

  private void append(byte[] key, int value) {
    if (size + 2 > starts.length) {
      starts = Arrays.copyOf(starts, starts.length * 2);
      values = Arrays.copyOf(values, values.length * 2);
    }
    int at = starts[size];
    if (at + key.length > pool.length) {
      pool = Arrays.copyOf(pool, Math.max(Math.addExact(at, key.length), pool.length * 2));
    }
    System.arraycopy(key, 0, pool, at, key.length);
    values[size] = value;
    starts[++size] = at + key.length;
    longest = Math.max(longest, key.length);
  }

  private void rehash() {
    slots = new int[slots.length * 2];
    for (int i = 0; i < size; i++) {
      slots[slotOf(pool, starts[i], starts[i + 1])] = i + 1;
    }
  }

  /** The number of the string in [from, to), or {@link #ABSENT}. */
  int find(byte[] text, int from, int to) {
    if (to - from > longest) {
      return ABSENT;
    }
    int slot = slots[slotOf(text, from, to)];
    return slot == 0 ? ABSENT : values[slot - 1];
  }

  /** Where the string is or would go. */
  private int slotOf(byte[] text, int from, int to) {
    int mask = slots.length - 1;
    int hash = 0;
    for (int i = from; i < to; i++) {
      hash = hash * 31 + text[i];
    }
    hash *= 0x9E3779B9;
    int slot = (hash ^ (hash >>> 15)) & mask;
    while (slots[slot] != 0) {
      int entry = slots[slot] - 1;
      if (Arrays.equals(pool, starts[entry], starts[entry + 1], text, from, to)) {
        break;
      }
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  int size() {
    return size;
  }

  /** Length of the longest string. */
  int longest() {
    return longest;
  }
}
