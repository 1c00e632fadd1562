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
 * @param widened elements of all operands of the largest operation that are not stored in fp32, for
 *     devices that compute on fp32 copies; 0 where everything is fp32
 */
public record TrainingShape(
    int batch, int tokens, int nHeads, int nKvHeads, int headDim, long widened) {
  /** Of a model, all in fp32. */
  public static TrainingShape of(ModelConfig c, int batch, int tokens) {
    return new TrainingShape(batch, tokens, c.nHeads(), c.nKvHeads(), c.headDim(), 0);
  }

  /** The same with fp32 copies of operands. */
  public TrainingShape withWidened(long elements) {
    return new TrainingShape(batch, tokens, nHeads, nKvHeads, headDim, elements);
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
