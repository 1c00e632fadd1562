package assay.train;

import assay.engine.AttentionPath;
import assay.model.ModelConfig;
import assay.model.UserError;
import org.jspecify.annotations.Nullable;

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
 * @param types what is stored in which type
 * @param optimizer decides what is kept for each trained parameter
 * @param adapters to train while everything else is frozen; null to train everything
 */
public record TrainingOptions(
    int batch,
    int tokens,
    Recomputation recomputation,
    AttentionPath attention,
    int logitRows,
    StepTypes types,
    Optimizer optimizer,
    @Nullable Adapters adapters) {

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
    if (adapters != null && attention == AttentionPath.STORED) {
      throw new UserError("adapters with stored scores: expected tiled attention");
    }
    logitRows = Math.min(logitRows, batch * tokens);
  }

  /** Everything trained with AdamW in fp32, nothing computed twice, all logits at once. */
  public static TrainingOptions of(int batch, int tokens) {
    return new TrainingOptions(
        batch,
        tokens,
        Recomputation.NONE,
        AttentionPath.TILED,
        Integer.MAX_VALUE,
        StepTypes.F32,
        Optimizer.ADAMW,
        null);
  }

  /** The same with another recomputation. */
  public TrainingOptions with(Recomputation r) {
    return new TrainingOptions(batch, tokens, r, attention, logitRows, types, optimizer, adapters);
  }

  /** The same with another attention. */
  public TrainingOptions with(AttentionPath a) {
    return new TrainingOptions(
        batch, tokens, recomputation, a, logitRows, types, optimizer, adapters);
  }

  /** The same in other types. */
  public TrainingOptions with(StepTypes t) {
    return new TrainingOptions(
        batch, tokens, recomputation, attention, logitRows, t, optimizer, adapters);
  }

  /** The same with another optimiser. */
  public TrainingOptions with(Optimizer o) {
    return new TrainingOptions(
        batch, tokens, recomputation, attention, logitRows, types, o, adapters);
  }

  /** The same with adapters beside frozen weights. */
  public TrainingOptions with(Adapters a) {
    return new TrainingOptions(
        batch, tokens, recomputation, attention, logitRows, types, optimizer, a);
  }

  /** The same with fewer rows of logits. */
  public TrainingOptions withLogitRows(int rows) {
    return new TrainingOptions(
        batch, tokens, recomputation, attention, rows, types, optimizer, adapters);
  }

  /** Whether the weights of this role get gradients of their own or of an adapter's. */
  boolean trains(assay.model.WeightRole role) {
    return adapters == null || adapters.targets().contains(role);
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
    if (adapters != null) {
      adapters.check(c);
    }
    if (tokens > c.maxSeqLen()) {
      throw new UserError(
          "%d tokens per sequence: %s has positions for %d"
              .formatted(tokens, c.name(), c.maxSeqLen()));
    }
  }
}
