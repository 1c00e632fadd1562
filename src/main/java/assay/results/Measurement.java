package assay.results;

import org.jspecify.annotations.Nullable;

/**
 * What was measured. Bytes are those of the tensors really cut from the device's memory.
 *
 * @param weightsBytes weights
 * @param kvCacheBytes KV cache
 * @param activationsBytes activations
 * @param workspaceBytes tables, counters, scratch
 * @param overheadBytes alignment, and what the driver reports as used beyond all that was allocated
 * @param totalBytes the sum
 * @param residentBytes the process's resident set; on a CPU only
 * @param prefillFlops counted from the shapes that the back end was really given
 * @param decodeFlopsPerToken the same, mean over the decode passes, per token
 * @param prefillBytesRead weights and KV cache read by the prefill
 * @param decodeBytesReadPerPass weights and KV cache read by one decode pass, mean
 * @param prefillSeconds of the whole prefill
 * @param decodeSecondsPerToken of one decode pass: all sequences of the batch get one token
 * @param prefillFlopsPerSecond count over median time
 * @param decodeFlopsPerSecond count over median time
 * @param decodeBytesPerSecond weights and KV cache read, over median time
 * @param prefillTokensPerSecond of all sequences together
 * @param decodeTokensPerSecond of all sequences together
 * @param device what the device said of itself; null on a host
 */
public record Measurement(
    @Nullable Long weightsBytes,
    @Nullable Long kvCacheBytes,
    @Nullable Long activationsBytes,
    @Nullable Long workspaceBytes,
    @Nullable Long overheadBytes,
    @Nullable Long totalBytes,
    @Nullable Long residentBytes,
    @Nullable Long prefillFlops,
    @Nullable Long decodeFlopsPerToken,
    @Nullable Long prefillBytesRead,
    @Nullable Long decodeBytesReadPerPass,
    @Nullable Times prefillSeconds,
    @Nullable Times decodeSecondsPerToken,
    @Nullable Double prefillFlopsPerSecond,
    @Nullable Double decodeFlopsPerSecond,
    @Nullable Double decodeBytesPerSecond,
    @Nullable Double prefillTokensPerSecond,
    @Nullable Double decodeTokensPerSecond,
    @Nullable DeviceReadings device) {
  /** Checks every number. */
  public Measurement {
    Numbers.count("measured.weights_bytes", weightsBytes);
    Numbers.count("measured.kv_cache_bytes", kvCacheBytes);
    Numbers.count("measured.activations_bytes", activationsBytes);
    Numbers.count("measured.workspace_bytes", workspaceBytes);
    Numbers.count("measured.overhead_bytes", overheadBytes);
    Numbers.count("measured.total_bytes", totalBytes);
    Numbers.count("measured.resident_bytes", residentBytes);
    Numbers.count("measured.prefill_flops", prefillFlops);
    Numbers.count("measured.decode_flops_per_token", decodeFlopsPerToken);
    Numbers.count("measured.prefill_bytes_read", prefillBytesRead);
    Numbers.count("measured.decode_bytes_read_per_pass", decodeBytesReadPerPass);
    Numbers.positive("measured.prefill_flops_per_second", prefillFlopsPerSecond);
    Numbers.positive("measured.decode_flops_per_second", decodeFlopsPerSecond);
    Numbers.positive("measured.decode_bytes_per_second", decodeBytesPerSecond);
    Numbers.positive("measured.prefill_tokens_per_second", prefillTokensPerSecond);
    Numbers.positive("measured.decode_tokens_per_second", decodeTokensPerSecond);
  }
}
