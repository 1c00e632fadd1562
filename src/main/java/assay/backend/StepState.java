package assay.backend;

import assay.tensor.Tensor;

/**
 * Where the sequences stand, in device memory, so that a recorded decode step can be replayed.
 *
 * <p>A pass holds {@code batch} sequences of equally many tokens; row b·T + t of its tensors is
 * token t of sequence b. All sequences share one slot counter: token t is written to slot {@code
 * counters[SLOT] + t} of the KV cache. Shorter prompts are padded on the left: sequence b begins at
 * slot {@code keyStart[b]}; earlier slots are padding that nobody sees, and positions count from
 * there: position = max(0, slot − keyStart[b]).
 *
 * @param counters I32 [1, 2]: {@link #SLOT} and {@link #DRAW}
 * @param keyStart I32 [1, batch]
 */
public record StepState(Tensor counters, Tensor keyStart) {
  /** Index of the slot of this pass's first token. */
  public static final int SLOT = 0;

  /** Index of the number of draws made so far. */
  public static final int DRAW = 1;

  /** Sequences in the batch. */
  public int batch() {
    return keyStart.columns();
  }
}
