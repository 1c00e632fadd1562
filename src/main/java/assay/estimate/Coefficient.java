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
   * Share of the arithmetic's peak that products of few rows reach where bytes do not bound them.
   */
  MATVEC_EFFICIENCY("1", 1e-6, 1.5),
  /** Share of the bandwidth at which weights are read. */
  WEIGHT_BANDWIDTH_EFFICIENCY("1", 0.01, 1.5),
  /** Share of the peak that attention's products reach. */
  ATTENTION_EFFICIENCY("1", 1e-4, 1.5),
  /** Share of the bandwidth at which attention reads the KV cache. */
  ATTENTION_BANDWIDTH_EFFICIENCY("1", 0.01, 1.5),
  /** Share of the bandwidth that norms, activations and the like reach. */
  ELEMENTWISE_BANDWIDTH_EFFICIENCY("1", 0.001, 50),
  /** Seconds that each operation costs whatever its size. */
  LAUNCH_SECONDS("s", 0, 0.01),
  /** Seconds that each pass costs whatever it holds: host work, sampling, waiting. */
  PASS_SECONDS("s", 0, 1),
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
