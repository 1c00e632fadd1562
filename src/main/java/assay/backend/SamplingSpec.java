package assay.backend;

import assay.model.UserError;

/**
 * How the next token is chosen (claims I3–I5): logits are divided by the temperature; the {@code
 * topK} most probable are kept (0: all); of those, renormalised, the smallest set whose cumulative
 * probability exceeds {@code topP}, in order of falling probability; the draw is from the kept,
 * renormalised. Among equal probabilities the smaller id comes first, everywhere. Temperature 0,
 * top-k 1 and top-p 0 are greedy.
 */
public record SamplingSpec(float temperature, int topK, float topP) {
  /** The most probable token, the smallest id of equals. */
  public static final SamplingSpec GREEDY = new SamplingSpec(0, 0, 1);

  /** Checks the ranges. */
  public SamplingSpec {
    if (!(temperature >= 0) || Float.isInfinite(temperature)) {
      throw new UserError("temperature " + temperature + ": expected 0 or more");
    }
    if (topK < 0) {
      throw new UserError("top-k " + topK + ": expected 0 (all) or more");
    }
    if (!(topP >= 0 && topP <= 1)) {
      throw new UserError("top-p " + topP + ": expected 0 to 1");
    }
  }

  /** True when no random number is needed. */
  public boolean isGreedy() {
    return temperature == 0 || topK == 1 || topP == 0;
  }
}
