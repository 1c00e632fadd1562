package assay.measure;

import assay.backend.Backend;
import assay.backend.Mark;

/** Times one operation for a ceiling: the fastest of its runs, after warming up. */
final class FastestRun {
  private static final int ENOUGH_RUNS = 3;

  private FastestRun() {}

  /**
   * Seconds of the fastest run by the device's own clock.
   *
   * @param sampleSeconds how long to go on; up to three times as long while it still gets faster
   */
  static double seconds(Backend backend, double sampleSeconds, Runnable operation) {
    try (Mark before = backend.newMark();
        Mark after = backend.newMark()) {
      Warmup warmup = new Warmup();
      double fastest = Double.MAX_VALUE;
      long start = System.nanoTime();
      while (true) {
        before.record();
        operation.run();
        after.record();
        backend.await();
        double seconds = after.secondsSince(before);
        warmup.add(seconds);
        if (seconds > 0) {
          fastest = Math.min(fastest, seconds);
        }
        double elapsed = (System.nanoTime() - start) * 1e-9;
        boolean timeUp = elapsed > sampleSeconds && warmup.runs() >= ENOUGH_RUNS;
        if (timeUp && (warmup.steady() || elapsed > 3 * sampleSeconds)) {
          return fastest;
        }
      }
    }
  }
}
