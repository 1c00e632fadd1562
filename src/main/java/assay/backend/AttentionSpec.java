package assay.backend;

import assay.model.ModelConfig;
import assay.model.PositionKind;

/**
 * Shape and mask of one attention operation. A query at slot i of sequence b sees key slot j when
 * all of these hold: keyStart[b] ≤ j; j ≤ i if {@code causal}, else j &lt; slot + tokensPerSequence
 * (everything written so far); i − j &lt; window if {@code window} &gt; 0; mask[i][j] ≠ 0 if a mask
 * matrix is given. A query that sees nothing gets zeros. Scores are q·k·scale, with ALiBi plus
 * slope(head)·(j − i).
 *
 * @param batch sequences
 * @param tokensPerSequence tokens of this pass per sequence
 * @param nHeads query heads
 * @param nKvHeads key/value heads; query head h reads key head h / (nHeads / nKvHeads)
 * @param headDim elements per head
 * @param scale factor of the scores, 1/√headDim
 * @param causal no key after the query
 * @param window keys that a query sees, its own included; 0 for all
 * @param alibi linear position biases on the scores
 * @param maxSeqLen slots of the KV cache per sequence
 */
public record AttentionSpec(
    int batch,
    int tokensPerSequence,
    int nHeads,
    int nKvHeads,
    int headDim,
    float scale,
    boolean causal,
    int window,
    boolean alibi,
    int maxSeqLen) {

  /** The specification for one layer of a model. */
  public static AttentionSpec of(
      ModelConfig c, int layer, int batch, int tokensPerSequence, boolean causal, int maxSeqLen) {
    return new AttentionSpec(
        batch,
        tokensPerSequence,
        c.nHeads(),
        c.nKvHeads(),
        c.headDim(),
        (float) (1 / Math.sqrt(c.headDim())),
        causal,
        c.windowOf(layer),
        c.positions() == PositionKind.ALIBI,
        maxSeqLen);
  }

  /** Rows of q: batch · tokensPerSequence. */
  public int rows() {
    return batch * tokensPerSequence;
  }

  /** Key/value head that a query head reads. */
  public int kvHead(int head) {
    return head / (nHeads / nKvHeads);
  }

  /** Row of K or V in the cache [batch·nKvHeads·maxSeqLen, headDim]. */
  public int cacheRow(int sequence, int kvHead, int slot) {
    return (sequence * nKvHeads + kvHead) * maxSeqLen + slot;
  }

  /**
   * ALiBi's slope of a head: the geometric sequence 2^(−8/n·(h+1)) for a power of two n,
   * interleaved with that of 2n for the heads beyond the largest power of two (Press et al. 2022,
   * and their reference code).
   */
  public static double alibiSlope(int head, int nHeads) {
    int power = Integer.highestOneBit(nHeads);
    if (head < power) {
      return Math.pow(2, -8.0 / power * (head + 1));
    }
    return Math.pow(2, -4.0 / power * (2 * (head - power) + 1));
  }
}
