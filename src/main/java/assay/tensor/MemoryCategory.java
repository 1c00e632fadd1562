package assay.tensor;

/** What device memory is used for; prediction and measurement are compared category by category. */
public enum MemoryCategory {
  WEIGHTS,
  KV_CACHE,
  ACTIVATIONS,
  /** Rotary tables, step counters and the back end's own scratch. */
  WORKSPACE,
  GRADIENTS,
  OPTIMIZER
}
