package assay.estimate;

import assay.cost.OpCost;

/**
 * Predicted time of one operation over all its launches.
 *
 * @param cost what it computes and moves
 * @param computeSeconds if arithmetic alone bound it
 * @param memorySeconds if bytes alone bound it
 * @param launchSeconds cost of calling it
 */
public record OpTime(
    OpCost cost, double computeSeconds, double memorySeconds, double launchSeconds) {
  /** Roofline: the larger of the two, and the launches. */
  public double seconds() {
    return Math.max(computeSeconds, memorySeconds) + launchSeconds;
  }

  /** What bounds it: {@code compute}, {@code memory} or {@code launch}. */
  public String bound() {
    if (launchSeconds > Math.max(computeSeconds, memorySeconds)) {
      return "launch";
    }
    return computeSeconds > memorySeconds ? "compute" : "memory";
  }
}
