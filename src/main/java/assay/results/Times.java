package assay.results;

import assay.model.UserError;

/**
 * A measured time with its spread, in seconds.
 *
 * @param median of the runs
 * @param min fastest run
 * @param max slowest run
 * @param runs how many, warm-up not counted
 */
public record Times(double median, double min, double max, int runs) {
  /** Checks that 0 &lt; min ≤ median ≤ max. */
  public Times {
    Numbers.positive("min", min);
    Numbers.positive("median", median);
    Numbers.positive("max", max);
    if (min > median || median > max || runs < 1) {
      throw new UserError(
          "a time of median %s, min %s, max %s in %d runs: expected min ≤ median ≤ max, 1 run or more"
              .formatted(median, min, max, runs));
    }
  }

  /** (max − min) / median. */
  public double spread() {
    return (max - min) / median;
  }
}
