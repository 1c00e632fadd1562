package assay.backend.cuda;

import assay.backend.OpShapes;
import assay.backend.SamplingSpec;
import assay.backend.StepState;
import assay.model.DType;
import assay.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** Logits to tokens, and the counters of a pass. */
final class TokenOps {
  private static final int LOGITS_PER_PART = 4096;
  private static final int MAX_PARTS = 64;
  private final KernelTable t;
  private long partials;

  TokenOps(KernelTable table) {
    this.t = table;
  }

  /** Scratch bytes: the best of each part of each row of logits. */
  static long workspaceBytes(int batch, int vocabulary) {
    return 8L * batch * parts(vocabulary);
  }

  /** Hands over {@link #workspaceBytes} of device memory. */
  void workspace(long address) {
    partials = address;
  }

  private static int parts(int vocabulary) {
    return Math.clamp(Math.ceilDiv(vocabulary, LOGITS_PER_PART), 1, MAX_PARTS);
  }

  /** {@link assay.backend.Backend#sample}. */
  void sample(
      SamplingSpec spec,
      Tensor logits,
      @Nullable Tensor uniforms,
      StepState state,
      Tensor tokens,
      Tensor history) {
    OpShapes.sample(spec, logits, uniforms, state, tokens, history);
    if (spec.isGreedy()) {
      greedy(logits, state, tokens, history);
      return;
    }
    t.args()
        .ptr(t.address(tokens))
        .ptr(t.address(history))
        .ptr(t.address(logits))
        .i32(KernelTable.ld(logits))
        .i32(logits.columns())
        .f32(spec.temperature())
        .i32(spec.topK())
        .f32(spec.topP())
        .ptr(t.addressOrNone(uniforms))
        .ptr(t.address(state.counters()))
        .i32(state.batch());
    t.launch(Kernel.SAMPLE, 0, state.batch(), 1, 1);
  }

  private void greedy(Tensor logits, StepState state, Tensor tokens, Tensor history) {
    int parts = parts(logits.columns());
    t.args()
        .ptr(partials)
        .ptr(t.address(logits))
        .i32(KernelTable.ld(logits))
        .i32(logits.columns())
        .i32(parts);
    t.launch(Kernel.GREEDY_PARTIAL, 0, parts, state.batch(), 1);
    t.args()
        .ptr(t.address(tokens))
        .ptr(t.address(history))
        .ptr(t.address(state.counters()))
        .ptr(partials)
        .i32(state.batch())
        .i32(parts);
    t.launch(Kernel.GREEDY_PICK, 0, state.batch(), 1, 1);
  }

  /**
   * out[r] = log softmax(logits[r])[ids[r]]; an id out of range gives NaN.
   *
   * @param logits F32 [n, vocabulary]
   * @param ids I32 [1, n]
   * @param out F32 [1, n]
   */
  void logProbs(Tensor logits, Tensor ids, Tensor out) {
    ids.require("ids", DType.I32, 1, logits.rows());
    out.require("out", DType.F32, 1, logits.rows());
    t.args()
        .ptr(t.address(out))
        .ptr(t.address(logits))
        .i32(KernelTable.ld(logits))
        .ptr(t.address(ids))
        .i32(logits.rows())
        .i32(logits.columns());
    t.launch(Kernel.LOG_PROBS, 0, logits.rows(), 1, 1);
  }

  /** {@link assay.backend.Backend#advance}. */
  void advance(StepState state, int tokens, int draws) {
    t.args().ptr(t.address(state.counters())).i32(tokens).i32(draws);
    t.launch(Kernel.ADVANCE, 0, 1, 1, 1);
  }

  /** Sets every byte of a dense tensor to zero. */
  void zero(Tensor target) {
    if (!target.isDense()) {
      throw new IllegalArgumentException(target + " has gaps between its rows");
    }
    t.args().ptr(t.address(target)).i64(target.bytes());
    t.launch(Kernel.ZERO, 0, Math.ceilDiv(target.bytes(), 4096), 1, 1);
  }

  /** JCurand's uniforms in (0, 1] to [0, 1), in place. */
  void halfOpen(Tensor x) {
    long count = (long) x.rows() * x.columns();
    t.args().ptr(t.address(x)).i64(count);
    t.launch(Kernel.HALF_OPEN, 0, Math.ceilDiv(count, 256), 1, 1);
  }
}
