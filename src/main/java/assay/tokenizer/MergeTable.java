package assay.tokenizer;

/** The merges of BPE: a pair of symbols to its rank and to the symbol that it becomes. */
final class MergeTable {
  private static final long EMPTY = -1;

  private final long[] keys;
  private final int[] ranks;
  private final int[] merged;

  MergeTable(int capacity) {
    int slots = Integer.highestOneBit(Math.max(16, capacity)) * 4;
    keys = new long[slots];
    java.util.Arrays.fill(keys, EMPTY);
    ranks = new int[slots];
    merged = new int[slots];
  }

  /** The first of two equal pairs counts. */
  void add(int left, int right, int rank, int result) {
    int slot = find(left, right);
    if (keys[slot] == EMPTY) {
      keys[slot] = key(left, right);
      ranks[slot] = rank;
      merged[slot] = result;
    }
  }

  private static long key(int left, int right) {
    return ((long) left << 32) | right;
  }

  /** The slot of the pair, or where it would go. */
  private int find(int left, int right) {
    long key = key(left, right);
    long hash = key * 0x9E3779B97F4A7C15L;
    int slot = (int) (hash >>> 32) & (keys.length - 1);
    while (keys[slot] != EMPTY && keys[slot] != key) {
      slot = (slot + 1) & (keys.length - 1);
    }
    return slot;
  }

  /** The rank, or {@link Merger#NONE}. */
  long rank(int left, int right) {
    int slot = find(left, right);
    return keys[slot] == EMPTY ? Merger.NONE : ranks[slot];
  }

  /** What a known pair becomes. */
  int merged(int left, int right) {
    return merged[find(left, right)];
  }
}
