package assay.results;

import org.jspecify.annotations.Nullable;

/**
 * The back end's logits against the reference, before anything is timed.
 *
 * @param passed whether the error is within the tolerance
 * @param what what was compared, a slice of a large model among it
 * @param error root mean square of the difference over that of the logits; absent when not finite
 * @param tolerance what was allowed
 * @param worst the worst element in words
 */
public record Check(
    boolean passed,
    String what,
    @Nullable Double error,
    @Nullable Double tolerance,
    @Nullable String worst) {
  /** Checks the numbers. */
  public Check {
    Numbers.fraction("check.error", error);
    Numbers.fraction("check.tolerance", tolerance);
  }
}
