package assay.backend.cpu;

import assay.backend.SessionShape;
import assay.backend.cpu.kernel.Kernels;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.tensor.Arena;

/**
 * The back end's scratch memory for one session, cut up: packed rows of x and a panel per worker
 * for products, K and V in panels per worker for attention.
 *
 * @param rows most rows of a product
 * @param columns most columns of a product
 * @param matmul address of the first part
 * @param attention address of the second part
 * @param attentionBytesPerWorker size of one worker's share of it
 */
record Workspace(int rows, int columns, long matmul, long attention, long attentionBytesPerWorker) {
  private static final int LINE = 256;

  Workspace(Kernels kernels, int workers, SessionShape shape, Arena arena) {
    this(
        rows(shape),
        columns(shape.config()),
        allocate(arena, bytes(kernels, workers, shape)),
        kernels,
        workers,
        shape);
  }

  private Workspace(
      int rows, int columns, long address, Kernels kernels, int workers, SessionShape shape) {
    this(
        rows,
        columns,
        address,
        address + Matmul.scratchBytes(kernels, rows, columns, workers),
        attentionBytes(kernels, shape));
  }

  // A tensor's sides are ints: lines of 256 bytes.
  private static long allocate(Arena arena, long bytes) {
    return Addresses.of(arena.allocate(DType.U8, Math.toIntExact(bytes / LINE), LINE));
  }

  /** Bytes for such a session. */
  static long bytes(Kernels kernels, int workers, SessionShape shape) {
    return Matmul.scratchBytes(kernels, rows(shape), columns(shape.config()), workers)
        + workers * attentionBytes(kernels, shape);
  }

  private static int rows(SessionShape s) {
    return Math.max(Math.multiplyExact(s.batch(), s.maxPassTokens()), s.maxLogitRows());
  }

  private static int columns(ModelConfig c) {
    return Math.max(Math.max(c.hiddenSize(), c.qDim()), c.intermediateSize());
  }

  private static long attentionBytes(Kernels kernels, SessionShape s) {
    ModelConfig c = s.config();
    long few = DecodeAttention.scratchBytes(c.nHeads() / c.nKvHeads(), c.headDim());
    long many =
        s.maxPassTokens() >= PrefillAttention.MIN_TOKENS
            ? PrefillAttention.scratchBytes(kernels, s.maxSeqLen(), c.headDim())
            : 0;
    return Math.ceilDiv(Math.max(few, many), LINE) * LINE;
  }
}
