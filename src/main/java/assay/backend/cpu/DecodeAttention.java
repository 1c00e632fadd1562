package assay.backend.cpu;

import assay.backend.cpu.kernel.Kernels;
import assay.backend.cpu.kernel.RawMemory;

/**
 * Attention of few queries per sequence: each query's heads that share a key head go through the
 * keys together, in blocks that stay in the L1 or L2 cache; K and V are read (and converted to
 * fp32) once for all of them. A query sees a range of keys; what a mask matrix hides within it gets
 * the score −∞.
 */
final class DecodeAttention {
  private static final int BLOCK = 128;

  private final Kernels kernels;
  private final AttentionJob job;
  private final Workers workers;
  private final Workers.Task task = this::run;
  private int splits = 1;
  private long scratch;
  private long scratchBytes;

  DecodeAttention(Kernels kernels, Workers workers, AttentionJob job) {
    this.kernels = kernels;
    this.workers = workers;
    this.job = job;
  }

  /** Scratch of one worker. */
  static long scratchBytes(int group, int headDim) {
    return 4L * BLOCK * headDim + group * (4L * BLOCK + OnlineSoftmax.BYTES) + 256;
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

  void compute() {
    requireRoom(scratchBytes(job.group(), job.spec.headDim()));
    int items = job.spec.rows() * job.spec.nKvHeads();
    // Few key heads: split the query heads of each, though K and V are then read twice.
    splits = items >= workers.count() ? 1 : Math.min(job.group(), workers.count());
    workers.run(task, items * splits);
  }

  private void run(int chunk, int worker) {
    int split = chunk % splits;
    int item = chunk / splits;
    int kvHead = item % job.spec.nKvHeads();
    int row = item / job.spec.nKvHeads();
    int group = job.group();
    int first = group * split / splits;
    int end = group * (split + 1) / splits;
    int sequence = row / job.spec.tokensPerSequence();
    int token = row % job.spec.tokensPerSequence();
    heads(
        sequence,
        token,
        kvHead,
        kvHead * group + first,
        end - first,
        scratch + worker * scratchBytes);
  }

  private void heads(int sequence, int token, int kvHead, int firstHead, int heads, long memory) {
    int d = job.spec.headDim();
    long states = memory;
    long scores = states + (long) heads * OnlineSoftmax.BYTES;
    long converted = (scores + 4L * BLOCK * heads + 63) & ~63L;
    for (int h = 0; h < heads; h++) {
      OnlineSoftmax.start(states + (long) h * OnlineSoftmax.BYTES);
      RawMemory.clear(job.result(sequence, token, firstHead + h), 4L * d);
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
            kernels.rows(),
            states + (long) h * OnlineSoftmax.BYTES,
            s,
            count,
            job.result(sequence, token, head),
            d);
      }
      long values = job.rows(kernels, job.vCache, sequence, kvHead, from, count, converted);
      for (int h = 0; h < heads; h++) {
        long out = job.result(sequence, token, firstHead + h);
        kernels.rows().addWeighted(scores + 4L * BLOCK * h, values, count, d, out);
      }
    }
    for (int h = 0; h < heads; h++) {
      long out = job.result(sequence, token, firstHead + h);
      OnlineSoftmax.finish(kernels.rows(), states + (long) h * OnlineSoftmax.BYTES, out, d, out);
    }
  }
}
