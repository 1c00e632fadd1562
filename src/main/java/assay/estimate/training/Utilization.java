package assay.estimate.training;

import assay.model.UserError;

/**
 * Share of the devices' peak that a training step reaches.
 *
 * @param low lower end
 * @param value what is reckoned with
 * @param high upper end
 * @param source where it is from
 */
public record Utilization(double low, double value, double high, String source) {
  /** Checks the order. */
  public Utilization {
    if (!(low > 0 && low <= value && value <= high && high <= 1)) {
      throw new UserError(
          "utilization %s to %s to %s: expected shares above 0, at most 1"
              .formatted(low, value, high));
    }
  }

  /** The rule 0.30 to 0.55 (claim C5), reckoned with its middle. */
  public static Utilization rule() {
    return new Utilization(0.30, 0.425, 0.55, "rule 0.30 to 0.55 (claim C5), not measured");
  }

  /** One given value. */
  public static Utilization given(double value, String source) {
    return new Utilization(value, value, value, source);
  }
}
