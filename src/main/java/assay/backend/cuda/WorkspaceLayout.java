package assay.backend.cuda;

import assay.backend.SessionShape;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.tensor.TensorPlan;

/**
 * The scratch memory of a session, from its shape alone; the same on every card. Each part is
 * rounded up to 256 bytes:
 *
 * <ul>
 *   <li>cuBLAS: 32 MiB, what NVIDIA recommends for Hopper (4 MiB elsewhere), set explicitly, so
 *       that the library allocates none of its own;
 *   <li>attention of one token a sequence: a maximum, a sum and headDim values in fp32 for each
 *       sequence, head and split of the keys ({@link AttentionOps#workspaceBytes}, for {@link
 *       #MULTIPROCESSORS});
 *   <li>greedy choice: 8 bytes for each part of a row of logits ({@link TokenOps#workspaceBytes});
 *   <li>panel, where weights are stored in 8 or 4 bits and passes have more rows than the kernels
 *       for few rows take: a part of a matrix in 16 bits, the largest matrix or {@link
 *       #PANEL_BYTES}, whichever is less. For fp8 the same place also takes the activations in e4m3
 *       and a factor in fp32 for each of their rows, so it is at least as large as those.
 * </ul>
 *
 * @param cublasBytes the library's
 * @param attentionBytes partial results of split keys
 * @param greedyBytes partial maxima of logits
 * @param panelBytes weights and activations on their way into a product
 */
record WorkspaceLayout(long cublasBytes, long attentionBytes, long greedyBytes, long panelBytes) {
  /** More than a card has that the kernels would split further for. */
  static final int MULTIPROCESSORS = 192;

  static final long CUBLAS_BYTES = 32L << 20;
  static final long PANEL_BYTES = 64L << 20;

  /**
   * For a session.
   *
   * @param planning attention for {@link #MULTIPROCESSORS}
   */
  static WorkspaceLayout of(SessionShape s, AttentionOps planning) {
    ModelConfig c = s.config();
    return new WorkspaceLayout(
        CUBLAS_BYTES,
        TensorPlan.padded(
            planning.workspaceBytes(
                s.batch(), c.nHeads(), c.nKvHeads(), c.headDim(), s.maxSeqLen())),
        TensorPlan.padded(TokenOps.workspaceBytes(s.batch(), c.vocabSize())),
        TensorPlan.padded(panel(s)));
  }

  private static long panel(SessionShape s) {
    DType type = s.precision().weightType();
    long rows = Math.max(Math.multiplyExact((long) s.batch(), s.maxPassTokens()), s.maxLogitRows());
    boolean narrow = type.isBlocked() || type == DType.F8E4M3;
    if (!narrow || rows <= MatrixOps.MAX_GEMV_ROWS) {
      return 0;
    }
    ModelConfig c = s.config();
    long weights = Math.min(PANEL_BYTES, 2 * largestMatrix(c));
    if (s.precision() != Precision.FP8) {
      return weights;
    }
    long widest = Math.max(c.hiddenSize(), Math.max(c.intermediateSize(), c.qDim()));
    return Math.max(weights, f8Bytes(rows, widest) + f8Bytes(rows, Float.BYTES));
  }

  /** Of activations in e4m3; with a width of 4, of their factors. */
  static long f8Bytes(long rows, long width) {
    return TensorPlan.padded(Math.multiplyExact(rows, width));
  }

  /** Elements of the largest matrix; q, k and v are one, and so are gate and up. */
  private static long largestMatrix(ModelConfig c) {
    long h = c.hiddenSize();
    long qkv = c.qDim() + 2L * c.kvDim();
    long up = (c.gatedMlp() ? 2L : 1L) * c.intermediateSize();
    return h * Math.max(Math.max(qkv, up), c.vocabSize());
  }

  /** All parts. */
  long totalBytes() {
    return cublasBytes + attentionBytes + greedyBytes + panelBytes;
  }
}
