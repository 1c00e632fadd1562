package assay.units;

/** Durations: printed in the unit that suits their size, from nanoseconds to years. */
public final class Seconds {
  private static final double DAY = 86_400;
  private static final double YEAR = 365.25 * DAY;

  private Seconds() {}

  /** Four significant digits: 12.34 ms, 3.200 h. */
  public static String format(double seconds) {
    double magnitude = Math.abs(seconds);
    if (!Double.isFinite(seconds) || magnitude == 0) {
      return Quantity.digits(seconds) + " s";
    }
    if (magnitude < 1e-6) {
      return Quantity.digits(seconds * 1e9) + " ns";
    }
    if (magnitude < 1e-3) {
      return Quantity.digits(seconds * 1e6) + " µs";
    }
    if (magnitude < 1) {
      return Quantity.digits(seconds * 1e3) + " ms";
    }
    if (magnitude < 600) {
      return Quantity.digits(seconds) + " s";
    }
    if (magnitude < 2 * DAY) {
      return Quantity.digits(seconds / 3600) + " h";
    }
    return magnitude < 2 * YEAR
        ? Quantity.digits(seconds / DAY) + " d"
        : Quantity.digits(seconds / YEAR) + " years";
  }
}
