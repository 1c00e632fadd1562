package assay.backend;

import assay.model.ModelConfig;

/**
 * The sizes that attention and a device's scratch depend on in one training step.
 *
 * @param batch sequences
 * @param tokens per sequence
 * @param nHeads query heads
 * @param nKvHeads key and value heads
 * @param headDim elements per head
 */
public record TrainingShape(int batch, int tokens, int nHeads, int nKvHeads, int headDim) {
  /** Of a model. */
  public static TrainingShape of(ModelConfig c, int batch, int tokens) {
    return new TrainingShape(batch, tokens, c.nHeads(), c.nKvHeads(), c.headDim());
  }

  /** Rows of all activations: batch · tokens. */
  public int rows() {
    return Math.multiplyExact(batch, tokens);
  }

  /** Query heads that share one key/value head. */
  public int groupSize() {
    return nHeads / nKvHeads;
  }

  /** The factor on q·k: 1/√headDim. */
  public float scale() {
    return (float) (1 / Math.sqrt(headDim));
  }

  /** Pairs of query and key that the causal mask lets through, over all sequences and heads. */
  public long pairs() {
    return (long) batch * nHeads * ((long) tokens * (tokens + 1) / 2);
  }
}
