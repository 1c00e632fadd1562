package assay.measure;

import java.util.ArrayList;
import java.util.List;

/**
 * Decides when runs have become steady: the best of the last {@link #WINDOW} is no longer more than
 * {@link #GAIN} faster than the best before them. On a JVM the first runs take a hundred times as
 * long as the later ones, in steps as the compilers get to them.
 */
final class Warmup {
  private static final int WINDOW = 3;
  private static final double GAIN = 0.03;

  private final List<Double> runs = new ArrayList<>();

  void add(double seconds) {
    runs.add(seconds);
  }

  int runs() {
    return runs.size();
  }

  boolean steady() {
    int n = runs.size();
    if (n <= WINDOW) {
      return false;
    }
    double before = best(runs.subList(0, n - WINDOW));
    double last = best(runs.subList(n - WINDOW, n));
    return last >= before * (1 - GAIN);
  }

  private static double best(List<Double> seconds) {
    return seconds.stream().mapToDouble(Double::doubleValue).min().orElse(Double.MAX_VALUE);
  }
}
