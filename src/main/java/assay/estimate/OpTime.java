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
  /**
   * Roofline with a round corner: where arithmetic and memory take equally long they hide each
   * other only partly, so their 2-norm and not the larger; activations and launches come on top.
   */
  public double seconds() {
    double both = Math.sqrt(computeSeconds * computeSeconds + memorySeconds * memorySeconds);
    return both + activationSeconds + launchSeconds;
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
