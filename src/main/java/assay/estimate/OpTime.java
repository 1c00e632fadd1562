package assay.estimate;

import assay.cost.OpCost;

/**
 * Predicted time of one operation over all its launches.
 *
 * @param cost what it computes and moves
 * @param computeSeconds if arithmetic alone bound it
 * @param memorySeconds if weights and keys alone bound it; of an operation without any, its bytes
 * @param activationSeconds reading and writing activations beside weights and keys
 * @param launchSeconds cost of calling it
 */
public record OpTime(
    OpCost cost,
    double computeSeconds,
    double memorySeconds,
    double activationSeconds,
    double launchSeconds) {
  /** Roofline: the larger of the first two; activations and launches come on top. */
  public double seconds() {
    return Math.max(computeSeconds, memorySeconds) + activationSeconds + launchSeconds;
  }

  /** What bounds it: {@code compute}, {@code memory} or {@code launch}. */
  public String bound() {
    double moved = memorySeconds + activationSeconds;
    if (launchSeconds > Math.max(computeSeconds, moved)) {
      return "launch";
    }
    return computeSeconds > moved ? "compute" : "memory";
  }
}
