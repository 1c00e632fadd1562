package assay.measure;

import assay.results.Times;
import java.util.Arrays;
import java.util.List;

/** Medians with spread. */
public final class Statistics {
  private Statistics() {}

  /** The median: of an even number, the mean of the middle two. */
  public static double median(List<Double> samples) {
    double[] sorted = sorted(samples);
    int n = sorted.length;
    return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
  }

  /** Median, extremes and count of one or more samples. */
  public static Times times(List<Double> samples) {
    double[] sorted = sorted(samples);
    return new Times(median(samples), sorted[0], sorted[sorted.length - 1], sorted.length);
  }

  /** Half the samples lie within this fraction of the median around it: (q75 − q25) / median. */
  public static double quartileSpread(List<Double> samples) {
    double[] sorted = sorted(samples);
    return (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / median(samples);
  }

  /** Linear between the nearest two (type 7 of Hyndman and Fan 1996). */
  private static double quantile(double[] sorted, double q) {
    double at = q * (sorted.length - 1);
    int below = (int) at;
    int above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
  }

  private static double[] sorted(List<Double> samples) {
    if (samples.isEmpty()) {
      throw new IllegalArgumentException("no samples");
    }
    double[] sorted = samples.stream().mapToDouble(Double::doubleValue).toArray();
    Arrays.sort(sorted);
    return sorted;
  }
}
