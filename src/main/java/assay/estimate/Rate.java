package assay.estimate;

/**
 * A rate of a device and where it is from.
 *
 * @param perSecond FLOP/s or bytes/s
 * @param source document, measurement or "given by the user"
 * @param derived computed from other figures (SMs × clock, half of the sparse figure, …)
 */
public record Rate(double perSecond, String source, boolean derived) {
  /** Checks that it is a usable number. */
  public Rate {
    if (!(perSecond > 0 && perSecond < 1e21)) {
      throw new assay.model.UserError(
          "a rate of %s per second (%s): expected a positive number".formatted(perSecond, source));
    }
  }
}
