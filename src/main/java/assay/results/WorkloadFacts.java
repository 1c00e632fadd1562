package assay.results;

import assay.model.UserError;
import org.jspecify.annotations.Nullable;

/**
 * What was asked of the model.
 *
 * @param kind {@code inference}
 * @param batch sequences
 * @param promptTokens tokens per prompt
 * @param generatedTokens tokens generated per sequence; N need N − 1 decode passes
 * @param passTokens tokens per sequence in one pass of the prefill: longer prompts go in chunks
 * @param kvCacheType storage of the KV cache
 */
public record WorkloadFacts(
    String kind,
    int batch,
    int promptTokens,
    int generatedTokens,
    @Nullable Integer passTokens,
    @Nullable String kvCacheType) {
  /** Checks the counts. */
  public WorkloadFacts {
    Numbers.present("workload.kind", kind);
    if (batch < 1 || promptTokens < 0 || generatedTokens < 0) {
      throw new UserError(
          "workload of batch %d, %d prompt and %d generated tokens: expected batch 1 or more, no"
                  .formatted(batch, promptTokens, generatedTokens)
              + " negative counts");
    }
  }
}
