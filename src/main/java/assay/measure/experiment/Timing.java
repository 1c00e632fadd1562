package assay.measure.experiment;

import assay.backend.Backend;
import assay.backend.Mark;
import java.util.Arrays;

/**
 * Median time of a piece of work on the device, after a warm-up. The caches of a device apart from
 * the host are overwritten before each run, outside of what is timed: small operands would come out
 * of them else. On a host they stay as the work leaves them.
 */
final class Timing {
  private static final int MIN_RUNS = 5;
  private static final double MIN_SECONDS = 0.15;
  private static final double WARM_UP_SECONDS = 0.5;
  private static final int MAX_RUNS = 2000;

  private Timing() {}

  /** Seconds of one run: the median of at least five, and of as many as fit into 0.15 s. */
  static double medianSeconds(Backend backend, Runnable work) {
    double[] seconds = new double[MAX_RUNS];
    int n = 0;
    try (Mark start = backend.newMark();
        Mark end = backend.newMark();
        CacheFlush cache = new CacheFlush(backend)) {
      warmUp(backend, work);
      double sum = 0;
      while (n < MAX_RUNS && (n < MIN_RUNS || sum < MIN_SECONDS)) {
        cache.flush();
        start.record();
        work.run();
        end.record();
        backend.await();
        seconds[n] = end.secondsSince(start);
        sum += seconds[n++];
      }
    }
    double[] runs = Arrays.copyOf(seconds, n);
    Arrays.sort(runs);
    return runs[n / 2];
  }

  private static void warmUp(Backend backend, Runnable work) {
    long until = System.nanoTime() + (long) (WARM_UP_SECONDS * 1e9);
    do {
      work.run();
      backend.await();
    } while (System.nanoTime() < until);
  }
}
