package assay.train;

/** What the backward pass finds stored (claims T5, C3). */
public enum Recomputation {
  /** Every activation that it needs. */
  NONE,
  /**
   * The residual stream at each block's entry; the rest of a block is computed again when its turn
   * comes.
   */
  FULL
}
