package assay.backend.cuda;

import assay.backend.AttentionSpec;
import assay.backend.OpShapes;
import assay.backend.StepState;
import assay.model.DType;
import assay.model.UserError;
import assay.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** Attention: which kernel ({@link Path}), over which grid, with which arguments. */
final class AttentionOps {
  /** Which kernel computes a pass; {@link #path} is the rule. */
  enum Path {
    /** One token a sequence, keys split over blocks: {@code kernels/attention_decode.cuh}. */
    SPLIT_KEYS,
    /** Tiles on tensor cores: {@code kernels/attention_mma.cuh}. */
    TENSOR_CORES,
    /** Tiles in fp32 on CUDA cores, for everything: {@code kernels/attention.cu}. */
    CUDA_CORES
  }

  /** Packed rows (tokens × heads of a group) of a block of {@link Kernel#ATTENTION_MMA}. */
  static final int MMA_ROWS_PER_BLOCK = 128;

  private static final int MAX_MMA_HEAD_DIM = 128;

  /** Largest headDim that the kernels hold. */
  static final int MAX_HEAD_DIM = 256;

  /** A split covers at least so many keys. */
  private static final int MIN_SPLIT_KEYS = 32;

  private static final int MAX_SPLITS = 64;

  private static final int SCORE_TILE = 64;
  private static final int VALUE_TILE = 64;
  private final KernelTable t;
  private final int smCount;
  private final boolean tensorCores;
  private long partials;

  /**
   * For a device.
   *
   * @param smCount its multiprocessors
   * @param tensorCores compute capability 8.0 or more
   */
  AttentionOps(KernelTable table, int smCount, boolean tensorCores) {
    this.t = table;
    this.smCount = smCount;
    this.tensorCores = tensorCores;
  }

  /** Scratch bytes of the split-key kernel: a maximum, a sum and headDim values for each split. */
  long workspaceBytes(int batch, int nHeads, int nKvHeads, int headDim, int maxSeqLen) {
    int splits = splits(batch, nHeads, nKvHeads, maxSeqLen);
    return 4L * batch * nHeads * splits * (headDim + 2);
  }

  /** Hands over {@link #workspaceBytes} of device memory. */
  void workspace(long address) {
    partials = address;
  }

  /** Query heads that one block of the split-key kernel takes together. */
  private static int groupBound(int group) {
    return group == 1 ? 1 : group <= 4 ? 4 : 8;
  }

  private int splits(int batch, int nHeads, int nKvHeads, int maxSeqLen) {
    int group = nHeads / nKvHeads;
    long blocks = (long) batch * nKvHeads * Math.ceilDiv(group, groupBound(group));
    long wanted = Math.ceilDiv(2L * smCount, blocks);
    int useful = Math.ceilDiv(maxSeqLen, MIN_SPLIT_KEYS);
    return Math.clamp(wanted, 1, Math.min(MAX_SPLITS, useful));
  }

  private static int headDimVariant(int headDim) {
    if (headDim > MAX_HEAD_DIM) {
      throw new UserError(
          "heads of %d elements: the GPU kernels take up to %d".formatted(headDim, MAX_HEAD_DIM));
    }
    return headDim <= 64 ? 0 : headDim <= 128 ? 1 : 2;
  }

  /** Query rows (tokens × heads of a group) of a block of {@link Kernel#ATTENTION}. */
  static int rowsPerBlock(int headDim) {
    return headDim > 128 ? 16 : 32;
  }

  /** {@link assay.backend.Backend#attention}. */
  void attention(
      AttentionSpec s,
      Tensor q,
      Tensor kCache,
      Tensor vCache,
      StepState state,
      @Nullable Tensor mask,
      Tensor out) {
    OpShapes.attention(s, q, kCache, vCache, state, mask, out);
    if (kCache.type() != vCache.type() || q.type() != out.type()) {
      throw new IllegalArgumentException("K and V, q and out share a type each: " + kCache);
    }
    switch (path(s, q, kCache, vCache, mask, out)) {
      case SPLIT_KEYS -> decode(s, q, kCache, vCache, state, mask, out);
      case TENSOR_CORES -> mma(s, q, kCache, vCache, state, out);
      case CUDA_CORES -> tiled(s, q, kCache, vCache, state, mask, out);
    }
  }

  /**
   * The rule. One token a sequence: {@link Path#SPLIT_KEYS}, which loads 8 elements at once.
   * Several tokens: {@link Path#TENSOR_CORES} where the card has them, q, caches and out are all
   * fp16 or all bf16, the mask is causal, a window or padding only, without ALiBi, headDim is at
   * most 128, and every row is whole 16-byte pieces. All else, such as fp32 or headDim 256: {@link
   * Path#CUDA_CORES}.
   */
  Path path(
      AttentionSpec s, Tensor q, Tensor kCache, Tensor vCache, @Nullable Tensor mask, Tensor out) {
    boolean wholePieces = s.headDim() % 8 == 0 && aligned(kCache) && aligned(vCache);
    if (s.tokensPerSequence() == 1) {
      return wholePieces ? Path.SPLIT_KEYS : Path.CUDA_CORES;
    }
    boolean mma =
        tensorCores
            && q.type() != DType.F32
            && q.type() == kCache.type()
            && mask == null
            && !s.alibi()
            && s.scale() > 0
            && s.headDim() <= MAX_MMA_HEAD_DIM
            && wholePieces
            && aligned(q)
            && aligned(out);
    return mma ? Path.TENSOR_CORES : Path.CUDA_CORES;
  }

  private boolean aligned(Tensor x) {
    return t.address(x) % 16 == 0 && (x.rows() == 1 || x.rowStrideBytes() % 16 == 0);
  }

  private void mma(
      AttentionSpec s, Tensor q, Tensor kCache, Tensor vCache, StepState state, Tensor out) {
    t.args()
        .ptr(t.address(out))
        .i32(KernelTable.ld(out))
        .ptr(t.address(q))
        .i32(KernelTable.ld(q))
        .ptr(t.address(kCache))
        .ptr(t.address(vCache))
        .ptr(t.address(state.counters()))
        .ptr(t.address(state.keyStart()))
        .i32(s.batch())
        .i32(s.tokensPerSequence())
        .i32(s.nHeads())
        .i32(s.nKvHeads())
        .i32(s.headDim())
        .f32(s.scale())
        .flag(s.causal())
        .i32(s.window())
        .i32(s.maxSeqLen());
    int d = s.headDim();
    int dim = d <= 64 ? 0 : d <= 80 ? 1 : d <= 96 ? 2 : 3;
    int variant = 4 * (q.type() == DType.F16 ? 0 : 1) + dim;
    long rows = (long) s.tokensPerSequence() * (s.nHeads() / s.nKvHeads());
    long tiles = Math.ceilDiv(rows, MMA_ROWS_PER_BLOCK);
    t.launch(Kernel.ATTENTION_MMA, variant, tiles, s.nKvHeads(), s.batch());
  }

  private void tiled(
      AttentionSpec s,
      Tensor q,
      Tensor kCache,
      Tensor vCache,
      StepState state,
      @Nullable Tensor mask,
      Tensor out) {
    t.args()
        .ptr(t.address(out))
        .i32(KernelTable.ld(out))
        .ptr(t.address(q))
        .i32(KernelTable.ld(q))
        .ptr(t.address(kCache))
        .ptr(t.address(vCache))
        .i32(KernelTable.activation(q.type()))
        .i32(KernelTable.activation(kCache.type()))
        .ptr(t.address(state.counters()))
        .ptr(t.address(state.keyStart()))
        .ptr(t.addressOrNone(mask))
        .i32(s.batch())
        .i32(s.tokensPerSequence())
        .i32(s.nHeads())
        .i32(s.nKvHeads())
        .i32(s.headDim())
        .f32(s.scale())
        .flag(s.causal())
        .i32(s.window())
        .flag(s.alibi())
        .i32(s.maxSeqLen());
    int dim = headDimVariant(s.headDim());
    long rows = (long) s.tokensPerSequence() * (s.nHeads() / s.nKvHeads());
    long tiles = Math.ceilDiv(rows, rowsPerBlock(s.headDim()));
    t.launch(Kernel.ATTENTION, dim, tiles, s.nKvHeads(), s.batch());
  }

  private void decode(
      AttentionSpec s,
      Tensor q,
      Tensor kCache,
      Tensor vCache,
      StepState state,
      @Nullable Tensor mask,
      Tensor out) {
    int group = s.nHeads() / s.nKvHeads();
    int bound = groupBound(group);
    int splits = splits(s.batch(), s.nHeads(), s.nKvHeads(), s.maxSeqLen());
    t.args()
        .ptr(partials)
        .ptr(t.address(q))
        .i32(KernelTable.ld(q))
        .i32(KernelTable.activation(q.type()))
        .ptr(t.address(kCache))
        .ptr(t.address(vCache))
        .ptr(t.address(state.counters()))
        .ptr(t.address(state.keyStart()))
        .ptr(t.addressOrNone(mask))
        .i32(s.batch())
        .i32(s.nHeads())
        .i32(s.nKvHeads())
        .i32(s.headDim())
        .f32(s.scale())
        .i32(s.window())
        .flag(s.alibi())
        .i32(s.maxSeqLen())
        .i32(splits);
    int variant =
        (3 * KernelTable.activation(kCache.type()) + headDimVariant(s.headDim())) * 3
            + (bound == 1 ? 0 : bound == 4 ? 1 : 2);
    t.launch(
        Kernel.ATTENTION_DECODE,
        variant,
        splits,
        s.nKvHeads() * Math.ceilDiv(group, bound),
        s.batch());
    t.args()
        .ptr(t.address(out))
        .i32(KernelTable.ld(out))
        .ptr(partials)
        .i32(s.nHeads())
        .i32(s.headDim())
        .i32(splits);
    t.launch(
        Kernel.ATTENTION_COMBINE, KernelTable.activation(out.type()), s.nHeads(), s.batch(), 1);
  }

  // ---- the plain path

  /** {@link assay.backend.Backend#attentionScores}: 64 × 64 tiles of rows and keys. */
  void scores(AttentionSpec s, Tensor q, Tensor kCache, StepState state, Tensor scores) {
    OpShapes.scores(s, scores, state);
    t.args()
        .ptr(t.address(scores))
        .ptr(t.address(q))
        .i32(KernelTable.ld(q))
        .i32(KernelTable.activation(q.type()))
        .ptr(t.address(kCache))
        .i32(KernelTable.activation(kCache.type()))
        .ptr(t.address(state.counters()))
        .i32(s.batch())
        .i32(s.tokensPerSequence())
        .i32(s.nHeads())
        .i32(s.nKvHeads())
        .i32(s.headDim())
        .f32(s.scale())
        .flag(s.alibi())
        .i32(s.maxSeqLen());
    long rowTiles =
        Math.ceilDiv((long) s.tokensPerSequence() * (s.nHeads() / s.nKvHeads()), SCORE_TILE);
    long keyTiles = Math.ceilDiv((long) s.maxSeqLen(), SCORE_TILE);
    t.launch(Kernel.ATTENTION_SCORES, 0, rowTiles * keyTiles, s.nKvHeads(), s.batch());
  }

  /** {@link assay.backend.Backend#maskScores}: a block a row. */
  void mask(AttentionSpec s, StepState state, @Nullable Tensor mask, Tensor scores) {
    OpShapes.scores(s, scores, state);
    OpShapes.mask(s, mask);
    t.args()
        .ptr(t.address(scores))
        .ptr(t.address(state.counters()))
        .ptr(t.address(state.keyStart()))
        .ptr(t.addressOrNone(mask))
        .i32(s.tokensPerSequence())
        .i32(scores.rows())
        .i32(s.nHeads())
        .flag(s.causal())
        .i32(s.window())
        .i32(s.maxSeqLen());
    t.launch(Kernel.MASK_SCORES, 0, scores.rows(), 1, 1);
  }

  /** {@link assay.backend.Backend#softmax}: a block a row. */
  void softmax(AttentionSpec s, StepState state, Tensor scores) {
    OpShapes.scores(s, scores, state);
    t.args()
        .ptr(t.address(scores))
        .ptr(t.address(state.counters()))
        .i32(s.tokensPerSequence())
        .i32(scores.rows())
        .i32(s.maxSeqLen());
    t.launch(Kernel.SOFTMAX, 0, scores.rows(), 1, 1);
  }

  /** {@link assay.backend.Backend#attentionValues}: 64 × 64 tiles of rows and elements. */
  void values(AttentionSpec s, Tensor scores, Tensor vCache, StepState state, Tensor out) {
    OpShapes.scores(s, scores, state);
    t.args()
        .ptr(t.address(out))
        .i32(KernelTable.ld(out))
        .i32(KernelTable.activation(out.type()))
        .ptr(t.address(scores))
        .ptr(t.address(vCache))
        .i32(KernelTable.activation(vCache.type()))
        .ptr(t.address(state.counters()))
        .i32(s.batch())
        .i32(s.tokensPerSequence())
        .i32(s.nHeads())
        .i32(s.nKvHeads())
        .i32(s.headDim())
        .i32(s.maxSeqLen());
    long rowTiles =
        Math.ceilDiv((long) s.tokensPerSequence() * (s.nHeads() / s.nKvHeads()), VALUE_TILE);
    long dimTiles = Math.ceilDiv(s.headDim(), VALUE_TILE);
    t.launch(Kernel.ATTENTION_VALUES, 0, rowTiles * dimTiles, s.nKvHeads(), s.batch());
  }
}
