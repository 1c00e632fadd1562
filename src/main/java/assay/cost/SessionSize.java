package assay.cost;

import assay.model.DType;
import assay.model.Precision;
import assay.model.UserError;
import assay.model.Workload;

/**
 * Everything that the memory of an inference session depends on beside the model.
 *
 * @param types what is stored in which type
 * @param batch sequences
 * @param contextTokens slots of the KV cache per sequence
 * @param passTokens tokens per sequence in one pass; longer prompts go in chunks
 * @param logitRows rows of logits computed at once
 * @param draws tokens that can be drawn per sequence
 * @param randomDraws sampling needs random numbers (it is not greedy)
 * @param storedScores attention keeps all scores in memory
 * @param maskMatrix an arbitrary mask [context, context] is held
 */
public record SessionSize(
    StorageTypes types,
    int batch,
    int contextTokens,
    int passTokens,
    int logitRows,
    int draws,
    boolean randomDraws,
    boolean storedScores,
    boolean maskMatrix) {
  /** Longest pass of a session unless it is asked for another. */
  public static final int USUAL_PASS_TOKENS = 512;

  /** Checks the counts. */
  public SessionSize {
    if (batch < 1 || contextTokens < 1 || passTokens < 1 || draws < 1) {
      throw new UserError(
          "batch %d, context %d, pass %d, draws %d: expected 1 or more each"
              .formatted(batch, contextTokens, passTokens, draws));
    }
    passTokens = Math.min(passTokens, contextTokens);
    logitRows = Math.max(logitRows, batch);
  }

  /**
   * Greedy decoding of a batch with the given context: as many draws as slots, prompts in the usual
   * chunks.
   *
   * @param activations the device's type of activations
   */
  public static SessionSize of(Precision precision, DType activations, int batch, int context) {
    return new SessionSize(
        StorageTypes.of(precision, activations),
        batch,
        context,
        USUAL_PASS_TOKENS,
        batch,
        context,
        false,
        false,
        false);
  }

  /** The smallest session that a workload needs: no slot and no row of a pass stays empty. */
  public static SessionSize of(Precision precision, DType activations, Workload w) {
    return of(precision, activations, w.batch(), w.kvSlots())
        .withPassTokens(Math.min(USUAL_PASS_TOKENS, w.promptTokens()));
  }

  /** The same with passes of another length. */
  public SessionSize withPassTokens(int tokens) {
    return new SessionSize(
        types,
        batch,
        contextTokens,
        tokens,
        logitRows,
        draws,
        randomDraws,
        storedScores,
        maskMatrix);
  }

  /** The same with another KV cache type. */
  public SessionSize withKvCache(DType type) {
    return new SessionSize(
        new StorageTypes(types.precision(), type, types.activations()),
        batch,
        contextTokens,
        passTokens,
        logitRows,
        draws,
        randomDraws,
        storedScores,
        maskMatrix);
  }

  /** The same with stored scores (claim M7's plain path) or without. */
  public SessionSize withStoredScores(boolean stored) {
    return new SessionSize(
        types, batch, contextTokens, passTokens, logitRows, draws, randomDraws, stored, maskMatrix);
  }

  /** The same for another batch and context. */
  public SessionSize withShape(int batch, int context) {
    int pass = Math.min(passTokens, context);
    return new SessionSize(
        types, batch, context, pass, batch, context, randomDraws, storedScores, maskMatrix);
  }
}
