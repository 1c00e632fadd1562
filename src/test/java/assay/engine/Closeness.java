package assay.engine;

import org.junit.jupiter.api.Assertions;

/**
 * Compares float arrays by their worst element and their relative L2 distance; a NaN anywhere
 * fails.
 */
public final class Closeness {
  private Closeness() {}

  /** Fails with the worst element unless both bounds hold. */
  public static void check(
      String what, float[] actual, float[] expected, double maxAbsolute, double maxRelativeL2) {
    Assertions.assertEquals(expected.length, actual.length, what + ": length");
    double worst = 0;
    int at = -1;
    double difference = 0;
    double norm = 0;
    for (int i = 0; i < actual.length; i++) {
      double d = Math.abs((double) actual[i] - expected[i]);
      if (!(d <= worst)) {
        worst = d;
        at = i;
      }
      difference += d * d;
      norm += (double) expected[i] * expected[i];
    }
    double relative = Math.sqrt(difference) / Math.sqrt(norm);
    if (!(worst <= maxAbsolute) || !(relative <= maxRelativeL2)) {
      Assertions.fail(
          "%s: largest difference %.3g at %d (%s for %s), relative L2 %.3g; allowed %.3g and %.3g"
              .formatted(
                  what,
                  worst,
                  at,
                  at < 0 ? "?" : actual[at],
                  at < 0 ? "?" : expected[at],
                  relative,
                  maxAbsolute,
                  maxRelativeL2));
    }
  }
}
