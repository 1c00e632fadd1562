package assay.backend.cpu;

import assay.backend.cpu.kernel.Kernels;
import assay.backend.cpu.kernel.RawMemory;

/**
 * Attention of few queries per sequence: each query's heads that share a key head go through the
 * keys together, in blocks that stay in the L1 or L2 cache; K and V are read (and converted to
 * fp32) once for all of them. A query sees a range of keys; what a mask matrix hides within it gets
 * the score −∞.
 */
final class DecodeAttention implements Workers.Revocable {
  private static final int BLOCK = 128;

  /** Keys and values that a thread takes at least: less is not worth taking. */
  private static final long BYTES_PER_CHUNK = 16 * 1024;

  /** One operation, and how it is shared. */
  private static final class Plan {
    final AttentionJob job = new AttentionJob();
    int splits = 1;
    int itemsPerChunk = 1;
    int items;
    long scratch;
    long scratchBytes;

    void copy(Plan p, AttentionJob job) {
      this.job.copy(job);
      splits = p.splits;
      itemsPerChunk = p.itemsPerChunk;
      items = p.items;
      scratch = p.scratch;
      scratchBytes = p.scratchBytes;
    }

    int end(int chunk) {
      return Math.min(items, (chunk + 1) * itemsPerChunk);
    }
  }

  private final Kernels kernels;
  private final AttentionJob job;
  private final Workers workers;
  private final WorkerResults results;
  private final Workers.Task inPlace = this::runInPlace;
  private final Plan now = new Plan();
  private final Plan[] seen;

  DecodeAttention(Kernels kernels, Workers workers, WorkerResults results, AttentionJob job) {
    this.kernels = kernels;
    this.workers = workers;
    this.results = results;
    this.job = job;
    seen = new Plan[workers.count()];
    for (int i = 0; i < seen.length; i++) {
      seen[i] = new Plan();
    }
  }

  /** Scratch of one worker. */
  static long scratchBytes(int group, int headDim) {
    return 4L * BLOCK * headDim + group * (4L * BLOCK + OnlineSoftmax.BYTES) + 256;
  }

  void reserve(long address, long bytesPerWorker) {
    now.scratch = address;
    now.scratchBytes = bytesPerWorker;
  }

  private void requireRoom(long needed) {
    if (needed > now.scratchBytes) {
      throw new IllegalStateException(
          "%s needs %d bytes for each worker, %d are reserved"
              .formatted(job.spec, needed, now.scratchBytes));
    }
  }

  void compute() {
    int d = job.spec.headDim();
    requireRoom(scratchBytes(job.group(), d));
    int items = job.spec.rows() * job.spec.nKvHeads();
    // Few key heads: split the query heads of each, though K and V are then read twice.
    now.splits = items >= workers.count() ? 1 : Math.min(job.group(), workers.count());
    now.items = items * now.splits;
    long itemBytes = 2L * job.cacheType.rowBytes(d) * job.keys();
    long resultBytes = 4L * d * Math.ceilDiv(job.group(), now.splits);
    long perChunk = Math.min(BYTES_PER_CHUNK / itemBytes, WorkerResults.BYTES / resultBytes);
    now.itemsPerChunk = (int) Math.max(1, perChunk);
    int chunks = Math.ceilDiv(now.items, now.itemsPerChunk);
    boolean revocable =
        resultBytes <= WorkerResults.BYTES && chunks <= Workers.MAX_REVOCABLE_CHUNKS;
    workers.run(revocable ? this : inPlace, chunks);
  }

  @Override
  public void look(int worker) {
    seen[worker].copy(now, job);
  }

  @Override
  public void compute(int chunk, int worker) {
    Plan p = seen[worker];
    long to = results.of(worker);
    for (int i = chunk * p.itemsPerChunk; i < p.end(chunk); i++) {
      to += item(p, i, worker, to);
    }
  }

  @Override
  public void commit(int chunk, int worker) {
    Plan p = seen[worker];
    long from = results.of(worker);
    for (int i = chunk * p.itemsPerChunk; i < p.end(chunk); i++) {
      long bytes = 4L * p.job.spec.headDim() * heads(p, i);
      RawMemory.copy(from, place(p, i), bytes);
      from += bytes;
    }
  }

  private void runInPlace(int chunk, int worker) {
    Plan p = seen[worker];
    p.copy(now, job);
    for (int i = chunk * p.itemsPerChunk; i < p.end(chunk); i++) {
      long ignored = item(p, i, worker, place(p, i));
    }
  }

  // An item is a row, a key head and a split of the query heads that share it.

  private static int firstHead(Plan p, int item) {
    int kvHead = item / p.splits % p.job.spec.nKvHeads();
    return kvHead * p.job.group() + p.job.group() * (item % p.splits) / p.splits;
  }

  private static int heads(Plan p, int item) {
    int split = item % p.splits;
    return p.job.group() * (split + 1) / p.splits - p.job.group() * split / p.splits;
  }

  private static long place(Plan p, int item) {
    int row = item / p.splits / p.job.spec.nKvHeads();
    int perSequence = p.job.spec.tokensPerSequence();
    return p.job.result(row / perSequence, row % perSequence, firstHead(p, item));
  }

  /** Writes an item's results to {@code out}, without gaps, and returns their bytes. */
  private long item(Plan p, int item, int worker, long out) {
    int row = item / p.splits / p.job.spec.nKvHeads();
    int perSequence = p.job.spec.tokensPerSequence();
    int first = firstHead(p, item);
    int heads = heads(p, item);
    long memory = p.scratch + worker * p.scratchBytes;
    heads(p.job, row / perSequence, row % perSequence, first, heads, memory, out);
    return 4L * heads * p.job.spec.headDim();
  }

  private void heads(
      AttentionJob job, int sequence, int token, int firstHead, int heads, long memory, long out) {
    int d = job.spec.headDim();
    int kvHead = job.spec.kvHead(firstHead);
    long states = memory;
    long scores = states + (long) heads * OnlineSoftmax.BYTES;
    long converted = (scores + 4L * BLOCK * heads + 63) & ~63L;
    for (int h = 0; h < heads; h++) {
      OnlineSoftmax.start(states + (long) h * OnlineSoftmax.BYTES);
      RawMemory.clear(out + 4L * d * h, 4L * d);
    }
    int end = job.endKey(token);
    for (int from = job.firstKey(sequence, token); from < end; from += BLOCK) {
      int count = Math.min(BLOCK, end - from);
      long keys = job.rows(kernels, job.kCache, sequence, kvHead, from, count, converted);
      for (int h = 0; h < heads; h++) {
        int head = firstHead + h;
        long s = scores + 4L * BLOCK * h;
        kernels
            .rows()
            .scores(job.query(sequence, token, head), keys, count, d, job.spec.scale(), s);
        job.addBias(s, token, head, from, from + count);
        job.hide(s, token, from, from + count);
        OnlineSoftmax.add(
            kernels.rows(), states + (long) h * OnlineSoftmax.BYTES, s, count, out + 4L * d * h, d);
      }
      long values = job.rows(kernels, job.vCache, sequence, kvHead, from, count, converted);
      for (int h = 0; h < heads; h++) {
        kernels.rows().addWeighted(scores + 4L * BLOCK * h, values, count, d, out + 4L * d * h);
      }
    }
    for (int h = 0; h < heads; h++) {
      long head = out + 4L * d * h;
      OnlineSoftmax.finish(kernels.rows(), states + (long) h * OnlineSoftmax.BYTES, head, d, head);
    }
  }
}
