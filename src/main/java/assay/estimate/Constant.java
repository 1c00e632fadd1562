package assay.estimate;

import org.jspecify.annotations.Nullable;

/**
 * One number of the estimator that is not a fact of arithmetic.
 *
 * @param coefficient what it is
 * @param scope precision label that it holds for, or {@code *} for all
 * @param value in the coefficient's unit
 * @param origin where it comes from in kind
 * @param source where it comes from in words
 * @param interval of a calibrated value, or null
 */
public record Constant(
    Coefficient coefficient,
    String scope,
    double value,
    Origin origin,
    String source,
    @Nullable Interval interval) {
  /** The scope of a constant that holds for every precision. */
  public static final String ALL = "*";

  /** Kinds of provenance. */
  public enum Origin {
    /** Published or assumed; not from this device. */
    DEFAULT,
    /** Fitted to measurements. */
    CALIBRATED,
    /** Given by the user. */
    USER
  }

  /**
   * Confidence interval.
   *
   * @param low lower end
   * @param high upper end
   * @param level share, such as 0.95
   */
  public record Interval(double low, double high, double level) {}

  /** Checks the value against the coefficient's bounds. */
  public Constant {
    if (!(value >= coefficient.lowest() && value <= coefficient.highest())) {
      throw new assay.model.UserError(
          "%s of %s is %s: expected %s to %s"
              .formatted(
                  coefficient.label(), scope, value, coefficient.lowest(), coefficient.highest()));
    }
  }

  /** A default for every precision. */
  public static Constant of(Coefficient coefficient, double value, String source) {
    return new Constant(coefficient, ALL, value, Origin.DEFAULT, source, null);
  }

  /** Name with scope: {@code matmul_efficiency.bf16}, {@code launch_seconds}. */
  public String key() {
    return key(coefficient, scope);
  }

  /** The key of a coefficient and scope. */
  public static String key(Coefficient coefficient, String scope) {
    return scope.equals(ALL) ? coefficient.label() : coefficient.label() + "." + scope;
  }
}
