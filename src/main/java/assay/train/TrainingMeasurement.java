package assay.train;

import assay.backend.TrainingOps;
import assay.model.ModelConfig;
import assay.tensor.MemoryCategory;
import java.util.Map;

/**
 * What training steps on random tokens took: for the claims about the memory and the work of
 * training (T1–T6, C2, C3).
 *
 * @param bytes allocated, by category, to the byte
 * @param ledger the same tensor by tensor
 * @param flops of one step, counted operation by operation
 * @param stepNs of each measured step, the warm-up left out
 */
@SuppressWarnings("ArrayRecordComponent") // raw samples, never compared
public record TrainingMeasurement(
    Map<MemoryCategory, Long> bytes, Ledger ledger, FlopCount flops, long[] stepNs) {

  /**
   * Runs steps and closes {@code ops}.
   *
   * @param warmup steps before the measured ones
   * @param steps measured
   */
  public static <T> TrainingMeasurement of(
      TrainingOps<T> ops,
      ModelConfig config,
      TrainingOptions options,
      int warmup,
      int steps,
      long seed) {
    try (TrainingStep<T> step = TrainingStep.open(ops, config, options)) {
      java.util.SplittableRandom random = new java.util.SplittableRandom(seed);
      int[] tokens =
          random.ints(options.rows() + options.tokens() + 1L, 0, config.vocabSize()).toArray();
      TokenWindows windows = new TokenWindows(tokens, new int[0], options.tokens(), seed);
      Trainer trainer = new Trainer(step, windows, TrainerSettings.of(warmup + steps, 1e-4, seed));
      trainer.run(warmup, p -> {});
      step.resetFlops();
      long[] ns = new long[steps];
      FlopCount[] flops = new FlopCount[1];
      trainer.run(
          steps,
          p -> {
            ns[p.step() - warmup - 1] = p.ns();
            flops[0] = step.flops();
            step.resetFlops();
          });
      return new TrainingMeasurement(step.ledger().bytes(), step.ledger(), flops[0], ns);
    }
  }
}
