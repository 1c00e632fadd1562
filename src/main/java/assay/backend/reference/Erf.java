package assay.backend.reference;

/** The error function in fp64, which the JDK lacks. */
final class Erf {
  private Erf() {}

  /**
   * erf(x) to about 1e-15: the Maclaurin series (Abramowitz and Stegun 7.1.6) below 2.5, the
   * continued fraction of erfc (7.1.14) by backward recurrence above.
   */
  static double erf(double x) {
    double a = Math.abs(x);
    if (Double.isNaN(x)) {
      return x;
    }
    double result;
    if (a < 2.5) {
      double term = a;
      double sum = a;
      for (int n = 1; n < 200 && Math.abs(term) > 1e-18 * sum; n++) {
        term *= 2 * a * a / (2 * n + 1);
        sum += term;
      }
      result = 2 / Math.sqrt(Math.PI) * Math.exp(-a * a) * sum;
    } else if (a > 6.5) {
      result = 1;
    } else {
      double fraction = a;
      for (int k = 120; k >= 1; k--) {
        fraction = a + k / 2.0 / fraction;
      }
      result = 1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / fraction;
    }
    return Math.copySign(result, x);
  }
}
