package assay.model;

/**
 * The operations of a transformer: one name each, here and in {@code cost}, in the back ends, in
 * the kernel files and in the tests.
 */
public enum OpKind {
  /** Gather rows of the embedding table (and add learned positions). */
  EMBED,
  /** RMSNorm or LayerNorm of rows, with or without adding a residual first. */
  NORM,
  /** y = x · Wᵀ, optionally added to y. */
  MATMUL,
  /** Add a vector to every row. */
  BIAS,
  /** Rotate q and k by their position. */
  ROPE,
  /** Write k and v of this pass into the KV cache. */
  STORE_KV,
  /** softmax(q·kᵀ/√d + mask)·v without stored scores. */
  ATTENTION,
  /** The plain path: q·kᵀ/√d into memory. */
  ATTENTION_SCORES,
  /** The plain path: masked scores to −∞. */
  MASK,
  /** Softmax of rows; a fully masked row gives zeros. */
  SOFTMAX,
  /** The plain path: probabilities · v. */
  ATTENTION_VALUES,
  /** The MLP's activation, gated or plain. */
  ACTIVATION,
  /** x += y. */
  ADD,
  /** Temperature, top-k, top-p and the draw. */
  SAMPLE,
  /** Move the sequence's position on by what this pass wrote. */
  ADVANCE
}
