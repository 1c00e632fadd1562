package assay.model;

/** How a token learns where it stands. */
public enum PositionKind {
  /**
   * Rotary embedding of q and k, halves rotated against each other (element i with i + headDim/2).
   */
  ROPE,
  /** A learned vector per position, added to the token's embedding (GPT-2). */
  LEARNED,
  /** A bias on the scores that falls with distance (Press et al. 2022; Baichuan 13B). */
  ALIBI
}
