package assay.backend.cpu;

import assay.backend.AttentionSpec;
import assay.backend.cpu.kernel.Kernels;
import assay.backend.cpu.kernel.PanelLayout;
import assay.backend.cpu.kernel.RawMemory;
import assay.model.DType;

/**
 * Attention of many queries per sequence, as matrix products: K and V of one key head are laid out
 * in panels like weights, K by slots (scores = q · Kᵀ), V by elements of the head (out = P · V).
 * Tiles of queries go through blocks of keys with an online softmax, so scores never leave the
 * cache; blocks that no query of a tile sees are skipped.
 *
 * <p>Work is shared by sequence, key head and, where those are few, by segments of the queries,
 * each laying out its keys itself.
 */
final class PrefillAttention {
  /** Fewer tokens per sequence than this are {@link DecodeAttention}'s. */
  static final int MIN_TOKENS = 8;

  private static final int TILE = 24;
  private static final int PANEL = PanelLayout.ROWS;
  private static final int MIN_SEGMENT = 64;

  private final Kernels kernels;
  private final Workers workers;
  private final AttentionJob job;
  private final Workers.Task task = this::run;
  private int segments = 1;
  private long scratch;
  private long scratchBytes;

  PrefillAttention(Kernels kernels, Workers workers, AttentionJob job) {
    this.kernels = kernels;
    this.workers = workers;
    this.job = job;
  }

  /**
   * Scratch of one worker: panels of K and V, and a tile's queries, scores, sums and softmax
   * states.
   */
  static long scratchBytes(Kernels kernels, int maxSeqLen, int headDim) {
    long row = kernels.packedRowBytes(DType.F32);
    return 4L * headDim * padded(maxSeqLen)
        + 4L * padded(headDim) * padded(maxSeqLen)
        + TILE * (2 * row + 4L * padded(headDim) + OnlineSoftmax.BYTES)
        + 4L * PANEL * headDim
        + 256;
  }

  private static int padded(int n) {
    return Math.ceilDiv(n, PANEL) * PANEL;
  }

  void reserve(long address, long bytesPerWorker) {
    scratch = address;
    scratchBytes = bytesPerWorker;
  }

  private void requireRoom(long needed) {
    if (needed > scratchBytes) {
      throw new IllegalStateException(
          "%s needs %d bytes for each worker, %d are reserved"
              .formatted(job.spec, needed, scratchBytes));
    }
  }

  /** Whether this way is open and worth while. */
  boolean suits(AttentionSpec spec) {
    return spec.tokensPerSequence() >= MIN_TOKENS
        && spec.headDim() <= kernels.blockColumns(DType.F32);
  }

  void compute() {
    AttentionSpec s = job.spec;
    requireRoom(scratchBytes(kernels, job.keys(), s.headDim()));
    int items = s.batch() * s.nKvHeads();
    int wanted = Math.ceilDiv(4 * workers.count(), items);
    segments = Math.clamp(s.tokensPerSequence() / MIN_SEGMENT, 1, wanted);
    workers.run(task, items * segments);
  }

  private void run(int chunk, int worker) {
    AttentionSpec s = job.spec;
    // The last segments have the most keys: first come, first served, so begin with them.
    int segment = segments - 1 - chunk / (s.batch() * s.nKvHeads());
    int item = chunk % (s.batch() * s.nKvHeads());
    int first = (int) ((long) s.tokensPerSequence() * segment / segments);
    int end = (int) ((long) s.tokensPerSequence() * (segment + 1) / segments);
    new Segment(
            item / s.nKvHeads(), item % s.nKvHeads(), first, end, scratch + worker * scratchBytes)
        .compute();
  }

  /**
   * The queries [first, end) of one sequence and the query heads of one key head. A small object
   * per segment of a prefill; none in decode.
   */
  private final class Segment {
    private final int sequence;
    private final int kvHead;
    private final int first;
    private final int end;
    private final int d = job.spec.headDim();
    private final int block = kernels.blockColumns(DType.F32);
    private final long rowBytes = kernels.packedRowBytes(DType.F32);

    /** Slots laid out: from {@code base}, a multiple of 16, up to {@code limit}. */
    private final int base;

    private final int limit;
    private final long kPanels;
    private final long vPanels;
    private final long vPanelBytes;
    private final long queries;
    private final long scores;
    private final long sums;
    private final long states;
    private final long converted;

    Segment(int sequence, int kvHead, int first, int end, long memory) {
      this.sequence = sequence;
      this.kvHead = kvHead;
      this.first = first;
      this.end = end;
      int smallest = Integer.MAX_VALUE;
      for (int t = first; t < end; t++) {
        smallest = Math.min(smallest, job.firstKey(sequence, t));
      }
      limit = job.endKey(end - 1);
      base = Math.min(smallest, limit) & -PANEL;
      int slots = padded(limit - base);
      kPanels = memory;
      vPanels = kPanels + 4L * d * slots;
      vPanelBytes = 64L * slots;
      queries = vPanels + vPanelBytes * (padded(d) / PANEL);
      scores = queries + TILE * rowBytes;
      sums = scores + TILE * rowBytes;
      states = sums + 4L * TILE * padded(d);
      converted = states + (long) TILE * OnlineSoftmax.BYTES;
    }

    void compute() {
      for (int slot = base; slot < limit; slot += PANEL) {
        layOut(slot, Math.min(PANEL, limit - slot));
      }
      for (int h = 0; h < job.group(); h++) {
        for (int t = first; t < end; t += TILE) {
          tile(kvHead * job.group() + h, t, Math.min(TILE, end - t));
        }
      }
    }

    /**
     * K and V of up to 16 slots to panels; what is missing of the 16, and of V's last panel,
     * becomes zeros.
     */
    private void layOut(int slot, int count) {
      long k = kPanels + 4L * d * (slot - base);
      long v = vPanels + 64L * (slot - base);
      long rows = job.rows(kernels, job.kCache, sequence, kvHead, slot, count, converted);
      if (count < PANEL) {
        RawMemory.clear(k, 64L * d);
      }
      for (int j = 0; j < count; j++) {
        for (int c = 0; c < d; c++) {
          RawMemory.setFloat(k + 64L * c + 4L * j, RawMemory.getFloat(rows + 4L * (j * d + c)));
        }
      }
      rows = job.rows(kernels, job.vCache, sequence, kvHead, slot, count, converted);
      for (int c = 0; c < d; c += PANEL, v += vPanelBytes) {
        int width = Math.min(PANEL, d - c);
        if (count < PANEL || width < PANEL) {
          RawMemory.clear(v, 64L * PANEL);
        }
        for (int j = 0; j < count; j++) {
          RawMemory.copy(rows + 4L * (j * d + c), v + 64L * j, 4L * width);
        }
      }
    }

    private void tile(int head, int token, int rows) {
      for (int i = 0; i < rows; i++) {
        kernels
            .rows()
            .scale(
                job.query(sequence, token + i, head), job.spec.scale(), d, queries + i * rowBytes);
        OnlineSoftmax.start(states + (long) i * OnlineSoftmax.BYTES);
      }
      RawMemory.clear(sums, 4L * rows * padded(d));
      int from = limit;
      for (int i = 0; i < rows; i++) {
        from = Math.min(from, job.firstKey(sequence, token + i));
      }
      int to = job.endKey(token + rows - 1);
      for (int j = Math.max(base, from & -PANEL); j < to; j += block) {
        keyBlock(head, token, rows, j, Math.min(block, to - j));
      }
      for (int i = 0; i < rows; i++) {
        OnlineSoftmax.finish(
            kernels.rows(),
            states + (long) i * OnlineSoftmax.BYTES,
            sums + 4L * i * padded(d),
            d,
            job.result(sequence, token + i, head));
      }
    }

    private void keyBlock(int head, int token, int rows, int from, int count) {
      kernels.multiply(
          DType.F32,
          rows,
          Math.ceilDiv(count, PANEL),
          kPanels + 4L * d * (from - base),
          64L * d,
          queries,
          scores,
          rowBytes,
          d,
          false,
          kPanels + 4L * d * (from - base),
          0);
      for (int i = 0; i < rows; i++) {
        weights(head, token + i, i, from, count);
      }
      kernels.multiply(
          DType.F32,
          rows,
          padded(d) / PANEL,
          vPanels + 64L * (from - base),
          vPanelBytes,
          scores,
          sums,
          4L * padded(d),
          count,
          true,
          vPanels + 64L * (from - base),
          0);
    }

    /** Turns one row of scores into weights; zero outside of what the query sees. */
    private void weights(int head, int token, int row, int from, int count) {
      long s = scores + row * rowBytes;
      int a = Math.clamp(job.firstKey(sequence, token), from, from + count);
      int z = Math.clamp(job.endKey(token), a, from + count);
      RawMemory.clear(s, 4L * (a - from));
      RawMemory.clear(s + 4L * (z - from), 4L * (from + count - z));
      if (a < z) {
        long visible = s + 4L * (a - from);
        job.addBias(visible, token, head, a, z);
        job.hide(visible, token, a, z);
        OnlineSoftmax.add(
            kernels.rows(),
            states + (long) row * OnlineSoftmax.BYTES,
            visible,
            z - a,
            sums + 4L * row * padded(d),
            d);
      }
    }
  }
}
