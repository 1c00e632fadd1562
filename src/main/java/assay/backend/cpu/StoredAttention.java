package assay.backend.cpu;

import assay.backend.cpu.kernel.Kernels;
import assay.backend.cpu.kernel.RawMemory;
import assay.tensor.Tensor;

/**
 * The plain path of attention: all scores in memory, one pass over them for each of its four steps.
 * Rows of scores, one per query and head, are shared among the threads.
 */
final class StoredAttention {
  private static final int BLOCK = 128;

  private final Kernels kernels;
  private final AttentionJob job;
  private final Step scores;
  private final Step mask;
  private final Step softmax;
  private final Step values;
  private long scratch;
  private long scratchBytes;

  StoredAttention(Kernels kernels, Workers workers, AttentionJob job) {
    this.kernels = kernels;
    this.job = job;
    scores = new ScoresStep(workers);
    mask = new MaskStep(workers);
    softmax = new SoftmaxStep(workers);
    values = new ValuesStep(workers);
  }

  void reserve(long address, long bytesPerWorker) {
    scratch = address;
    scratchBytes = bytesPerWorker;
  }

  void scores(Tensor t) {
    scores.run(t);
  }

  void mask(Tensor t) {
    mask.run(t);
  }

  void softmax(Tensor t) {
    softmax.run(t);
  }

  void values(Tensor t) {
    values.run(t);
  }

  private abstract class Step extends RowTask {
    private long matrix;
    private long rowBytes;

    Step(Workers workers) {
      super(workers);
    }

    void run(Tensor scores) {
      if (4L * BLOCK * job.spec.headDim() > scratchBytes) {
        throw new IllegalStateException("no workspace reserved for heads of " + job.spec.headDim());
      }
      matrix = Addresses.floats(scores);
      rowBytes = scores.rowStrideBytes();
      each(scores.rows(), Math.max(1, job.keys()));
    }

    @Override
    final void row(int r, int worker) {
      int heads = job.spec.nHeads();
      int pass = r / heads;
      int perSequence = job.spec.tokensPerSequence();
      long memory = scratch + worker * scratchBytes;
      one(matrix + r * rowBytes, pass / perSequence, pass % perSequence, r % heads, memory);
    }

    /** The row of scores of one query and head. */
    abstract void one(long row, int sequence, int token, int head, long memory);
  }

  private final class ScoresStep extends Step {
    ScoresStep(Workers workers) {
      super(workers);
    }

    @Override
    void one(long row, int sequence, int token, int head, long memory) {
      int d = job.spec.headDim();
      int kvHead = job.spec.kvHead(head);
      long query = job.query(sequence, token, head);
      for (int from = 0; from < job.keys(); from += BLOCK) {
        int count = Math.min(BLOCK, job.keys() - from);
        long keys = job.rows(kernels, job.kCache, sequence, kvHead, from, count, memory);
        kernels.rows().scores(query, keys, count, d, job.spec.scale(), row + 4L * from);
      }
      job.addBias(row, token, head, 0, job.keys());
    }
  }

  private final class MaskStep extends Step {
    MaskStep(Workers workers) {
      super(workers);
    }

    @Override
    void one(long row, int sequence, int token, int head, long memory) {
      int first = Math.clamp(job.firstKey(sequence, token), 0, job.keys());
      int end = Math.clamp(job.endKey(token), first, job.keys());
      for (int j = 0; j < job.keys(); j++) {
        if (j < first || j >= end) {
          RawMemory.setFloat(row + 4L * j, Float.NEGATIVE_INFINITY);
        }
      }
      job.hide(row + 4L * first, token, first, end);
    }
  }

  private final class SoftmaxStep extends Step {
    SoftmaxStep(Workers workers) {
      super(workers);
    }

    @Override
    void one(long row, int sequence, int token, int head, long memory) {
      int keys = job.keys();
      float max = kernels.rows().max(row, keys);
      if (max == Float.NEGATIVE_INFINITY) {
        RawMemory.clear(row, 4L * keys);
        return;
      }
      float sum = kernels.rows().expMinus(row, max, keys);
      kernels.rows().scale(row, 1 / sum, keys, row);
    }
  }

  private final class ValuesStep extends Step {
    ValuesStep(Workers workers) {
      super(workers);
    }

    @Override
    void one(long row, int sequence, int token, int head, long memory) {
      int d = job.spec.headDim();
      int kvHead = job.spec.kvHead(head);
      long out = job.result(sequence, token, head);
      RawMemory.clear(out, 4L * d);
      for (int from = 0; from < job.keys(); from += BLOCK) {
        int count = Math.min(BLOCK, job.keys() - from);
        long values = job.rows(kernels, job.vCache, sequence, kvHead, from, count, memory);
        kernels.rows().addWeighted(row + 4L * from, values, count, d, out);
      }
    }
  }
}
