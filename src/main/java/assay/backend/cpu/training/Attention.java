package assay.backend.cpu.training;

import assay.backend.TrainingShape;
import assay.backend.cpu.training.Gemm.Matrix;

/**
 * Causal attention of one sequence and one key/value head with all its query heads, forward and
 * backward, {@link #BLOCK} queries at a time: scores of a block against all keys that any of its
 * queries sees, as one matrix product.
 *
 * <p>Backward (Dao et al. 2022, appendix B): with P the probabilities and D = rowsum(dO ⊙ O), dV =
 * Pᵀ·dO, dS = P ⊙ (dO·Vᵀ − D), dQ = dS·K/√d, dK = dSᵀ·Q/√d.
 */
final class Attention {
  private static final int BLOCK = 128;

  private final TrainingShape shape;
  private final int headDim;
  private final int tokens;
  private final long gemmScratch;
  private final long scores;
  private final long gradients;

  /**
   * Scratch for one unit of work.
   *
   * @return bytes for {@link Gemm} and two blocks of scores
   */
  static long scratchBytes(TrainingShape shape) {
    return Gemm.SCRATCH_BYTES + 2 * blockBytes(shape);
  }

  private static long blockBytes(TrainingShape shape) {
    return 4L * BLOCK * shape.tokens();
  }

  Attention(TrainingShape shape, long scratch) {
    this.shape = shape;
    this.headDim = shape.headDim();
    this.tokens = shape.tokens();
    this.gemmScratch = scratch;
    this.scores = scratch + Gemm.SCRATCH_BYTES;
    this.gradients = scores + blockBytes(shape);
  }

  /** Addresses of the operands' first elements; probabilities 0 where they are not kept. */
  record Operands(long q, long k, long v, long out, long logSumExp, long probabilities) {}

  /** Addresses of the gradients. */
  record Gradients(long dOut, long dq, long dk, long dv) {}

  /** {@code unit} = sequence · nKvHeads + key/value head. */
  void forward(int unit, Operands o) {
    int sequence = unit / shape.nKvHeads();
    int kvHead = unit % shape.nKvHeads();
    Matrix k = head(o.k, sequence, kvHead, shape.nKvHeads());
    Matrix v = head(o.v, sequence, kvHead, shape.nKvHeads());
    for (int g = 0; g < shape.groupSize(); g++) {
      int h = kvHead * shape.groupSize() + g;
      Matrix q = head(o.q, sequence, h, shape.nHeads());
      Matrix out = head(o.out, sequence, h, shape.nHeads());
      Matrix logSumExp = logSumExp(o, sequence, h);
      for (int first = 0; first < tokens; first += BLOCK) {
        int rows = Math.min(BLOCK, tokens - first);
        int keys = first + rows;
        Matrix p = probabilities(o, sequence, h, first);
        gemm(rows, keys, headDim, q.from(first), k.transposed(), p, false);
        for (int r = 0; r < rows; r++) {
          int end = o.probabilities == 0 ? keys : tokens;
          Rows.set(logSumExp.at(first + r, 0), softmax(p.at(r, 0), first + r + 1, end));
        }
        gemm(rows, headDim, keys, p, v, out.from(first), false);
      }
    }
  }

  /** Softmax of the first {@code visible} scores, zeros up to {@code end}; log of the sum. */
  private float softmax(long row, int visible, int end) {
    float shift = Rows.max(row, visible) * shape.scale();
    float sum = Rows.exp(row, shape.scale(), shift, visible);
    Rows.scale(row, 1 / sum, visible);
    Rows.clear(row + 4L * visible, end - visible);
    return shift + (float) Math.log(sum);
  }

  void backward(int unit, Operands o, Gradients d) {
    int sequence = unit / shape.nKvHeads();
    int kvHead = unit % shape.nKvHeads();
    Matrix k = head(o.k, sequence, kvHead, shape.nKvHeads());
    Matrix v = head(o.v, sequence, kvHead, shape.nKvHeads());
    Matrix dk = head(d.dk, sequence, kvHead, shape.nKvHeads());
    Matrix dv = head(d.dv, sequence, kvHead, shape.nKvHeads());
    for (int t = 0; t < tokens; t++) {
      Rows.clear(dk.at(t, 0), headDim);
      Rows.clear(dv.at(t, 0), headDim);
    }
    for (int g = 0; g < shape.groupSize(); g++) {
      int h = kvHead * shape.groupSize() + g;
      for (int first = 0; first < tokens; first += BLOCK) {
        backward(sequence, h, first, o, d, k, v, dk, dv);
      }
    }
  }

  private void backward(
      int sequence,
      int h,
      int first,
      Operands o,
      Gradients d,
      Matrix k,
      Matrix v,
      Matrix dk,
      Matrix dv) {
    int rows = Math.min(BLOCK, tokens - first);
    int keys = first + rows;
    Matrix q = head(o.q, sequence, h, shape.nHeads());
    Matrix out = head(o.out, sequence, h, shape.nHeads());
    Matrix dOut = head(d.dOut, sequence, h, shape.nHeads());
    Matrix dq = head(d.dq, sequence, h, shape.nHeads());
    Matrix p = probabilities(o, sequence, h, first);
    if (o.probabilities == 0) {
      gemm(rows, keys, headDim, q.from(first), k.transposed(), p, false);
      Matrix logSumExp = logSumExp(o, sequence, h);
      for (int r = 0; r < rows; r++) {
        int visible = first + r + 1;
        Rows.exp(p.at(r, 0), shape.scale(), Rows.get(logSumExp.at(first + r, 0)), visible);
        Rows.clear(p.at(r, visible), keys - visible);
      }
    }
    Matrix ds = new Matrix(gradients, 4L * tokens, 4);
    gemm(rows, keys, headDim, dOut.from(first), v.transposed(), ds, false);
    gemm(keys, headDim, rows, p.transposed(), dOut.from(first), dv, true);
    for (int r = 0; r < rows; r++) {
      float delta = Rows.dot(dOut.at(first + r, 0), out.at(first + r, 0), headDim);
      Rows.softmaxBackward(p.at(r, 0), ds.at(r, 0), delta, shape.scale(), keys);
    }
    gemm(rows, headDim, keys, ds, k, dq.from(first), false);
    gemm(keys, headDim, rows, ds.transposed(), q.from(first), dk, true);
  }

  private void gemm(int m, int n, int k, Matrix a, Matrix b, Matrix c, boolean accumulate) {
    Gemm.multiply(m, n, k, a, b, c, accumulate, gemmScratch);
  }

  private Matrix head(long base, int sequence, int head, int heads) {
    long rowBytes = 4L * heads * headDim;
    return new Matrix(
        base + (long) sequence * tokens * rowBytes + 4L * head * headDim, rowBytes, 4);
  }

  private Matrix logSumExp(Operands o, int sequence, int h) {
    long rowBytes = 4L * shape.nHeads();
    return new Matrix(o.logSumExp + (long) sequence * tokens * rowBytes + 4L * h, rowBytes, 4);
  }

  /** The kept probabilities of these queries, or scratch. */
  private Matrix probabilities(Operands o, int sequence, int h, int first) {
    if (o.probabilities == 0) {
      return new Matrix(scores, 4L * tokens, 4);
    }
    long rowBytes = 4L * tokens;
    long row = ((long) sequence * tokens + first) * shape.nHeads() + h;
    return new Matrix(o.probabilities + row * rowBytes, shape.nHeads() * rowBytes, 4);
  }
}
