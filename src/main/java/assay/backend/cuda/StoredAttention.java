package assay.backend.cuda;

import assay.backend.AttentionSpec;
import assay.backend.StepState;
import assay.tensor.Tensor;

/**
 * Products of the plain path of attention. Scores of several tokens are cuBLAS' where q and the
 * cache share a type: one batch of products for each sequence and key head (or for each sequence,
 * where every query head has its own). The host does not know how many slots are written, so all
 * are multiplied; what lies behind the written ones is never read.
 */
final class StoredAttention {
  private final KernelTable table;
  private final AttentionOps kernels;
  private final Blas blas;
  private final CudaScratch scratch;

  StoredAttention(KernelTable table, AttentionOps kernels, Blas blas, CudaScratch scratch) {
    this.table = table;
    this.kernels = kernels;
    this.blas = blas;
    this.scratch = scratch;
  }

  /** {@link assay.backend.Backend#attentionScores}. */
  void scores(AttentionSpec s, Tensor q, Tensor kCache, StepState state, Tensor scores) {
    if (s.alibi() || s.tokensPerSequence() == 1 || q.type() != kCache.type()) {
      kernels.scores(s, q, kCache, state, scores);
      return;
    }
    assay.backend.OpShapes.scores(s, scores, state);
    blas.workspace(
        scratch.address(CudaScratch.Part.CUBLAS, WorkspaceLayout.CUBLAS_BYTES),
        WorkspaceLayout.CUBLAS_BYTES);
    int group = s.nHeads() / s.nKvHeads();
    // With one query head a key head, the batch runs over key heads; else over the heads of a
    // group.
    int groups = group == 1 ? 1 : s.nKvHeads();
    int count = s.nHeads() / groups;
    long cacheStride = group == 1 ? (long) s.maxSeqLen() * s.headDim() : 0;
    int tokens = s.tokensPerSequence();
    for (int b = 0; b < s.batch(); b++) {
      for (int g = 0; g < groups; g++) {
        long firstHead = (long) g * count;
        long qAt = (long) b * tokens * KernelTable.ld(q) + firstHead * s.headDim();
        long outAt = ((long) b * tokens * s.nHeads() + firstHead) * s.maxSeqLen();
        blas.multiplyBatch(
            tokens,
            s.maxSeqLen(),
            s.headDim(),
            at(q, qAt, KernelTable.ld(q)),
            at(kCache, (long) s.cacheRow(b, g, 0) * s.headDim(), s.headDim()),
            at(scores, outAt, Math.multiplyExact(s.nHeads(), s.maxSeqLen())),
            new Blas.Strides(s.headDim(), cacheStride, s.maxSeqLen()),
            count,
            s.scale(),
            scratch.fp32());
      }
    }
  }

  private Blas.Matrix at(Tensor t, long element, int ld) {
    return new Blas.Matrix(table.address(t) + element * t.type().blockBytes(), t.type(), ld);
  }
}
