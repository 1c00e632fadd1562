package assay.cost;

import java.util.Locale;

/** Parts of a forward pass that FLOPs and bytes are broken down by. */
public enum Part {
  /** Gathering embedding rows. */
  EMBEDDING,
  /** All norms, with the residual additions fused into them. */
  NORM,
  /** The projections q, k, v and o, their biases, and the rotation of q and k. */
  PROJECTIONS,
  /** Scores, softmax and the weighted sum of values; the write into the KV cache. */
  ATTENTION,
  /** The MLP's matrices, biases and activation. */
  MLP,
  /** Logits. */
  HEAD,
  /** Sampling and bookkeeping. */
  OTHER;

  /** The name in results: {@code attention}. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
