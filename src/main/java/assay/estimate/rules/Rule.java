package assay.estimate.rules;

import org.jspecify.annotations.Nullable;

/**
 * What one rule says of one input.
 *
 * @param topic what it predicts: {@code weights}, {@code model states}, …
 * @param rule the formula in symbols
 * @param source who says so: a claim's id and document, or a kind of tool
 * @param value what it gives here
 * @param unit B, FLOP, s, devices or tokens
 * @param exact the exact count, or the estimator's own figure where counting is not possible; null
 *     where there is neither
 */
public record Rule(
    String topic, String rule, String source, double value, String unit, @Nullable Double exact) {
  /** value / exact − 1; null without an exact figure. */
  public @Nullable Double deviation() {
    return exact == null || exact == 0 ? null : Double.valueOf(value / exact - 1);
  }
}
