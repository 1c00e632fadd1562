package assay.estimate.training;

import assay.estimate.Parallelism;
import assay.model.ModelConfig;
import assay.model.UserError;
import org.jspecify.annotations.Nullable;

/**
 * What training is to be predicted.
 *
 * @param config the model
 * @param types what is stored in which type
 * @param optimizer which
 * @param microBatch sequences that one device takes through forward and backward at once
 * @param accumulation micro-batches per step
 * @param tokens tokens per sequence
 * @param recomputation of activations
 * @param storedScores attention keeps its scores; else it is tiled
 * @param dropout masks are kept
 * @param lora adapters, or null to train everything
 * @param parallelism devices
 * @param trainingTokens tokens of the whole training, or null
 */
public record TrainingRequest(
    ModelConfig config,
    TrainingTypes types,
    Optimizer optimizer,
    int microBatch,
    int accumulation,
    int tokens,
    Recomputation recomputation,
    boolean storedScores,
    boolean dropout,
    @Nullable Lora lora,
    Parallelism parallelism,
    @Nullable Double trainingTokens) {
  /** Checks the counts. */
  public TrainingRequest {
    if (microBatch < 1 || accumulation < 1 || tokens < 1) {
      throw new UserError(
          "batch %d, accumulation %d, tokens %d: expected 1 or more each"
              .formatted(microBatch, accumulation, tokens));
    }
    if (trainingTokens != null && !(trainingTokens > 0)) {
      throw new UserError(
          "training tokens %s: expected a positive number".formatted(trainingTokens));
    }
  }

  /** Full training with AdamW of one sequence batch on one device, tiled attention, no dropout. */
  public static TrainingRequest of(ModelConfig config, TrainingTypes types, int batch, int tokens) {
    return new TrainingRequest(
        config,
        types,
        Optimizer.ADAMW,
        batch,
        1,
        tokens,
        Recomputation.NONE,
        false,
        false,
        null,
        Parallelism.NONE,
        null);
  }

  /** Rows of a micro-batch's tensors. */
  public long rows() {
    return Math.multiplyExact((long) microBatch, (long) tokens);
  }

  /** Tokens of one step over all replicas. */
  public long tokensPerStep() {
    return Math.multiplyExact(
        Math.multiplyExact(rows(), (long) accumulation), (long) parallelism.data());
  }

  /** The same with other recomputation. */
  public TrainingRequest with(Recomputation other) {
    return copy(other, lora, parallelism);
  }

  /** The same with adapters, or with none. */
  public TrainingRequest with(@Nullable Lora other) {
    return copy(recomputation, other, parallelism);
  }

  /** The same on other devices. */
  public TrainingRequest with(Parallelism other) {
    return copy(recomputation, lora, other);
  }

  private TrainingRequest copy(Recomputation r, @Nullable Lora l, Parallelism p) {
    return new TrainingRequest(
        config,
        types,
        optimizer,
        microBatch,
        accumulation,
        tokens,
        r,
        storedScores,
        dropout,
        l,
        p,
        trainingTokens);
  }
}
