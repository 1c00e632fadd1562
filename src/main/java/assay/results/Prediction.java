package assay.results;

import org.jspecify.annotations.Nullable;

/**
 * What the estimator says: bytes by category, exact FLOP counts, times.
 *
 * @param weightsBytes weights, scales and padding to whole blocks included
 * @param kvCacheBytes KV cache
 * @param activationsBytes activations
 * @param workspaceBytes tables, counters, scratch
 * @param overheadBytes beyond what the program allocates
 * @param totalBytes the sum
 * @param prefillFlops of the whole prefill, counted operation by operation
 * @param decodeFlopsPerToken mean over the decode passes, per token
 * @param prefillSeconds of the whole prefill
 * @param decodeSecondsPerToken of one decode pass: all sequences of the batch get one token
 * @param calibration the calibration file that was used, or null
 */
public record Prediction(
    @Nullable Long weightsBytes,
    @Nullable Long kvCacheBytes,
    @Nullable Long activationsBytes,
    @Nullable Long workspaceBytes,
    @Nullable Long overheadBytes,
    @Nullable Long totalBytes,
    @Nullable Long prefillFlops,
    @Nullable Long decodeFlopsPerToken,
    @Nullable Double prefillSeconds,
    @Nullable Double decodeSecondsPerToken,
    @Nullable String calibration) {
  /** Checks every number. */
  public Prediction {
    Numbers.count("estimate.weights_bytes", weightsBytes);
    Numbers.count("estimate.kv_cache_bytes", kvCacheBytes);
    Numbers.count("estimate.activations_bytes", activationsBytes);
    Numbers.count("estimate.workspace_bytes", workspaceBytes);
    Numbers.count("estimate.overhead_bytes", overheadBytes);
    Numbers.count("estimate.total_bytes", totalBytes);
    Numbers.count("estimate.prefill_flops", prefillFlops);
    Numbers.count("estimate.decode_flops_per_token", decodeFlopsPerToken);
    Numbers.positive("estimate.prefill_seconds", prefillSeconds);
    Numbers.positive("estimate.decode_seconds_per_token", decodeSecondsPerToken);
  }
}
