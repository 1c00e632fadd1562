package assay.estimate.training;

/** Which activations are thrown away and computed again (Korthikanti et al. 2022). */
public enum Recomputation {
  /** All are kept. */
  NONE,
  /** What grows with s² is thrown away: the attention's softmax and dropout. */
  SELECTIVE,
  /** Only each block's input is kept; a block is computed again before its backward pass. */
  FULL
}
