package assay.train;

/** What the backward pass finds stored (claims T5, C3; Korthikanti et al. 2022). */
public enum Recomputation {
  /** Every activation that it needs. */
  NONE,
  /** All but attention's probabilities; the same as NONE where attention does not store them. */
  SELECTIVE,
  /**
   * The residual stream at each block's entry; the rest of a block is computed again when its turn
   * comes.
   */
  FULL
}
