package assay.cost;

import java.util.Locale;

/** What device memory is used for; prediction and measurement are compared kind by kind. */
public enum MemoryKind {
  WEIGHTS,
  KV_CACHE,
  ACTIVATIONS,
  /** Tables, counters, tokens and the device's own scratch. */
  WORKSPACE,
  GRADIENTS,
  OPTIMIZER;

  /** The name in results: {@code kv_cache}. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
