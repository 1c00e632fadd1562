package assay.train;

import assay.engine.AttentionPath;
import assay.model.ModelConfig;
import assay.model.UserError;

/**
 * What a training step is made for; all memory follows from it.
 *
 * @param batch sequences
 * @param tokens per sequence
 * @param recomputation what the backward pass finds stored
 * @param attention STORED keeps the probabilities for the backward pass (claim T4's term in s²),
 *     TILED only the log of their sums
 * @param logitRows rows of logits that exist at once; the head's forward and backward run for so
 *     many tokens at a time
 */
public record TrainingOptions(
    int batch, int tokens, Recomputation recomputation, AttentionPath attention, int logitRows) {

  /** Checks the counts. */
  public TrainingOptions {
    if (batch < 1 || tokens < 1 || logitRows < 1) {
      throw new UserError(
          "batch %d, %d tokens, %d rows of logits: expected 1 or more each"
              .formatted(batch, tokens, logitRows));
    }
    if ((long) batch * tokens > Integer.MAX_VALUE) {
      throw new UserError(
          "batch %d of %d tokens: expected fewer than 2^31 in all".formatted(batch, tokens));
    }
    logitRows = Math.min(logitRows, batch * tokens);
  }

  /** Nothing computed twice, tiled attention, all logits at once. */
  public static TrainingOptions of(int batch, int tokens) {
    return new TrainingOptions(
        batch, tokens, Recomputation.NONE, AttentionPath.TILED, Integer.MAX_VALUE);
  }

  /** The same with another recomputation. */
  public TrainingOptions with(Recomputation r) {
    return new TrainingOptions(batch, tokens, r, attention, logitRows);
  }

  /** The same with another attention. */
  public TrainingOptions with(AttentionPath a) {
    return new TrainingOptions(batch, tokens, recomputation, a, logitRows);
  }

  /** The same with fewer rows of logits. */
  public TrainingOptions withLogitRows(int rows) {
    return new TrainingOptions(batch, tokens, recomputation, attention, rows);
  }

  /** Tokens of one step. */
  public int rows() {
    return batch * tokens;
  }

  /**
   * Fails unless the model can be trained here.
   *
   * @throws UserError saying what it has that the step does not know
   */
  void check(ModelConfig c) {
    String unknown =
        c.nExperts() > 1
            ? "a mixture of experts"
            : c.norm() != assay.model.NormKind.RMS
                ? "LayerNorm"
                : c.positions() != assay.model.PositionKind.ROPE
                    ? c.positions() + " positions"
                    : !c.gatedMlp() || c.activation() != assay.model.Activation.SILU
                        ? "another MLP than SwiGLU"
                        : c.qkvBias() || c.outputBias() || c.mlpBias()
                            ? "biases"
                            : c.qkNorm() || c.normalizedHead()
                                ? "normalised q and k or head"
                                : c.slidingWindow() > 0 ? "a sliding window" : "";
    if (!unknown.isEmpty()) {
      throw new UserError(
          "%s has %s: training knows the llama architecture only".formatted(c.name(), unknown));
    }
    if (tokens > c.maxSeqLen()) {
      throw new UserError(
          "%d tokens per sequence: %s has positions for %d"
              .formatted(tokens, c.name(), c.maxSeqLen()));
    }
  }
}
