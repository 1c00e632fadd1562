package assay.cost;

import assay.model.DType;
import assay.model.Precision;

/**
 * What is stored in which type.
 *
 * @param precision fixes the type of weight matrices
 * @param kvCache type of the KV cache
 * @param activations type of activations but the residual stream and the logits, which are fp32;
 *     the device chooses it
 */
public record StorageTypes(Precision precision, DType kvCache, DType activations) {
  /** The precision's own KV cache type. */
  public static StorageTypes of(Precision precision, DType activations) {
    return new StorageTypes(precision, precision.kvCacheType(), activations);
  }
}
