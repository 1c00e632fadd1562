package assay.model;

/**
 * One inference workload: {@code batch} prompts of {@code promptTokens} tokens, then {@code
 * generatedTokens} tokens each. The first generated token comes from the prefill, so N generated
 * tokens need N − 1 decode passes.
 */
public record Workload(int batch, int promptTokens, int generatedTokens) {
  /** Checks that all counts are usable. */
  public Workload {
    if (batch < 1 || promptTokens < 1 || generatedTokens < 0) {
      throw new UserError(
          "workload batch %d, prompt %d, generated %d: expected batch ≥ 1, prompt ≥ 1, generated ≥ 0"
              .formatted(batch, promptTokens, generatedTokens));
    }
  }

  /** Decode passes after the prefill. */
  public int decodePasses() {
    return Math.max(0, generatedTokens - 1);
  }

  /** Slots of the KV cache per sequence: the last generated token is never fed back. */
  public int kvSlots() {
    return Math.addExact(promptTokens, decodePasses());
  }
}
