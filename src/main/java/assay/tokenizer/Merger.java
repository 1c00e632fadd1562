package assay.tokenizer;

import java.util.Arrays;

/**
 * Merges neighbouring symbols, best pair first, the left one among equals, until no pair is known:
 * what SentencePiece's BPE and GPT-2's have in common. A heap of candidates and a linked list of
 * symbols make it n·log n; a candidate whose symbols have changed meanwhile is recognised by its
 * right end and thrown away.
 */
abstract class Merger {
  /** No such pair. */
  static final long NONE = Long.MAX_VALUE;

  private int[] start = new int[64];
  private int[] end = new int[64];
  private int[] id = new int[64];
  private int[] next = new int[64];
  private int[] previous = new int[64];
  private int size;

  // A heap of (priority, symbol), smallest first, and per entry where the pair ended when queued.
  private long[] heapKey = new long[64];
  private int[] heapLeft = new int[64];
  private int[] heapEnd = new int[64];
  private int heapSize;

  /** Begins a new piece. */
  final void clear() {
    size = 0;
    heapSize = 0;
  }

  /** Appends a symbol that covers bytes [from, to). */
  final void add(int from, int to, int symbol) {
    if (size == start.length) {
      int n = size * 2;
      start = Arrays.copyOf(start, n);
      end = Arrays.copyOf(end, n);
      id = Arrays.copyOf(id, n);
      next = Arrays.copyOf(next, n);
      previous = Arrays.copyOf(previous, n);
    }
    start[size] = from;
    end[size] = to;
    id[size] = symbol;
    next[size] = -1;
    previous[size] = size - 1;
    if (size > 0) {
      next[size - 1] = size;
    }
    size++;
  }

  /**
   * The priority of merging two neighbours, smaller first, or {@link #NONE}; no two different pairs
   * that can stand at one place need have different priorities.
   */
  abstract long priority(int leftId, int rightId, int from, int to);

  /** The symbol that the pair becomes; it was just asked for its priority or queued with one. */
  abstract int merged(int leftId, int rightId, int from, int to);

  /** Merges all that can be. */
  final void run() {
    for (int i = 0; i + 1 < size; i++) {
      offer(i);
    }
    while (heapSize > 0) {
      int left = heapLeft[0];
      int until = heapEnd[0];
      removeTop();
      int right = end[left] < 0 ? -1 : next[left];
      if (right < 0 || end[right] != until) {
        continue;
      }
      id[left] = merged(id[left], id[right], start[left], until);
      end[left] = until;
      end[right] = -1;
      next[left] = next[right];
      if (next[right] >= 0) {
        previous[next[right]] = left;
        offer(left);
      }
      if (previous[left] >= 0) {
        offer(previous[left]);
      }
    }
  }

  /** Calls back for every symbol that is left, in order. */
  final void forEach(Visitor visitor) {
    for (int i = size == 0 ? -1 : 0; i >= 0; i = next[i]) {
      visitor.symbol(id[i], start[i], end[i]);
    }
  }

  /** Sees the result. */
  interface Visitor {
    void symbol(int id, int from, int to);
  }

  private void offer(int left) {
    int right = next[left];
    long priority = priority(id[left], id[right], start[left], end[right]);
    if (priority == NONE) {
      return;
    }
    if (heapSize == heapKey.length) {
      heapKey = Arrays.copyOf(heapKey, heapSize * 2);
      heapLeft = Arrays.copyOf(heapLeft, heapSize * 2);
      heapEnd = Arrays.copyOf(heapEnd, heapSize * 2);
    }
    int i = heapSize++;
    while (i > 0) {
      int parent = (i - 1) / 2;
      if (!before(priority, left, parent)) {
        break;
      }
      move(parent, i);
      i = parent;
    }
    set(i, priority, left, end[right]);
  }

  private void removeTop() {
    heapSize--;
    if (heapSize == 0) {
      return;
    }
    long key = heapKey[heapSize];
    int left = heapLeft[heapSize];
    int until = heapEnd[heapSize];
    int i = 0;
    while (true) {
      int child = 2 * i + 1;
      if (child >= heapSize) {
        break;
      }
      if (child + 1 < heapSize && before(heapKey[child + 1], heapLeft[child + 1], child)) {
        child++;
      }
      if (before(key, left, child)) {
        break;
      }
      move(child, i);
      i = child;
    }
    set(i, key, left, until);
  }

  private boolean before(long key, int left, int other) {
    return key < heapKey[other] || (key == heapKey[other] && left < heapLeft[other]);
  }

  private void move(int from, int to) {
    set(to, heapKey[from], heapLeft[from], heapEnd[from]);
  }

  private void set(int i, long key, int left, int until) {
    heapKey[i] = key;
    heapLeft[i] = left;
    heapEnd[i] = until;
  }
}
