package assay.estimate;

import java.util.Locale;

/** The numbers that turn counts into bytes and seconds. Bounds are physical. */
public enum Coefficient {
  /** Share of the arithmetic's peak that a large matrix product reaches. */
  MATMUL_EFFICIENCY("1", 0.001, 1.5),
  /**
   * Rows at which a matrix product reaches half of that rate: rate(n) = peak · efficiency · n / (n
   * + half); 0 for none.
   */
  MATMUL_HALF_ROWS("rows", 0, 1e5),
  /**
   * Share of the arithmetic's peak that products of few rows reach where bytes do not bound them,
   * by a kernel of their own (how few: {@link DeviceKind#fewRows}).
   */
  MATVEC_EFFICIENCY("1", 1e-6, 1.5),
  /** Share of the bandwidth at which weights are read. */
  WEIGHT_BANDWIDTH_EFFICIENCY("1", 0.01, 1.5),
  /** Share of the peak that attention's products reach with many queries of a sequence. */
  ATTENTION_EFFICIENCY("1", 1e-4, 1.5),
  /** The same with few queries of a sequence, as in decode. */
  DECODE_ATTENTION_EFFICIENCY("1", 1e-4, 1.5),
  /**
   * Share of the bandwidth at which attention goes through the KV cache, whether converting or the
   * memory holds it back; from a processor's caches it may pass 1.
   */
  ATTENTION_BANDWIDTH_EFFICIENCY("1", 0.01, 10),
  /**
   * Share of the bandwidth at which activations are read and written: by norms and the like, and by
   * products beside their weights. In caches it passes 1.
   */
  ELEMENTWISE_BANDWIDTH_EFFICIENCY("1", 0.001, 50),
  /**
   * Share of the last-level cache that weights can use from pass to pass: of a working set (weights
   * and keys) of W bytes min(1, share · cache / W) is read from the cache, the rest from memory.
   * Where nothing is known of a device's cache, all comes from memory.
   */
  CACHE_SHARE("1", 0.05, 2),
  /** Share of the cache's measured bandwidth at which weights are read from it. */
  CACHE_BANDWIDTH_EFFICIENCY("1", 0.01, 4),
  /** Seconds that each product and each attention costs whatever its size. */
  LAUNCH_SECONDS("s", 0, 0.01),
  /** Seconds that each other operation costs whatever its size. */
  SMALL_LAUNCH_SECONDS("s", 0, 0.01),
  /** Seconds that each pass costs whatever it holds: host work, sampling, waiting. */
  PASS_SECONDS("s", 0, 1),
  /**
   * Share of the peak that a training step of many tokens reaches, all its work counted: a step of
   * n tokens reaches this · n / (n + half). Used only where it was calibrated.
   */
  TRAINING_UTILIZATION("1", 1e-6, 1),
  /** Tokens of a step at which half of that is reached. */
  TRAINING_HALF_TOKENS("tokens", 0, 1e9),
  /** Bytes of scratch memory beyond what the formula of the back end's kind says. */
  WORKSPACE_BYTES("B", 0, 1e11),
  /** Bytes of the device beyond everything that the program allocates. */
  OVERHEAD_BYTES("B", 0, 1e11);

  private final String unit;
  private final double lowest;
  private final double highest;

  Coefficient(String unit, double lowest, double highest) {
    this.unit = unit;
    this.lowest = lowest;
    this.highest = highest;
  }

  /** Its unit; 1 for a share. */
  public String unit() {
    return unit;
  }

  /** Smallest value that makes sense. */
  public double lowest() {
    return lowest;
  }

  /** Largest value that makes sense. */
  public double highest() {
    return highest;
  }

  /** The name in files: {@code matmul_efficiency}. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
