package assay.estimate;

import assay.cost.MemoryCost;
import assay.cost.MemoryKind;
import assay.cost.PhaseCost;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Predicted bytes, FLOPs and seconds of inference.
 *
 * @param request what was asked
 * @param device where
 * @param constants with which constants
 * @param memory bytes that the session allocates
 * @param overheadBytes bytes of the device beyond that: padding between buffers, and what the
 *     driver takes for itself
 * @param prefill counts of the prompt
 * @param decode counts of all decode steps; no passes when one token or none is generated
 * @param prefillSeconds time to the first token, or null where the device is not known well enough
 * @param decodeSecondsPerToken mean time of a decode step, in which each sequence gets one token;
 *     null where not known or no step is made
 * @param warnings what the user should know before trusting this
 */
public record InferenceEstimate(
    InferenceRequest request,
    Device device,
    Constants constants,
    MemoryCost memory,
    long overheadBytes,
    PhaseCost prefill,
    PhaseCost decode,
    @Nullable Double prefillSeconds,
    @Nullable Double decodeSecondsPerToken,
    List<String> warnings) {

  /** A copy that cannot change. */
  public InferenceEstimate {
    warnings = List.copyOf(warnings);
  }

  /** Bytes that the session allocates, exact, without the padding between buffers. */
  public long bytes(MemoryKind kind) {
    return memory.bytes(kind);
  }

  /** Everything that the device has to hold, fixed overhead included. */
  public long totalBytes() {
    return Math.addExact(memory.totalBytes(), overheadBytes);
  }

  /** FLOPs of one generated token of one sequence, mean over the steps; null without steps. */
  public @Nullable Long decodeFlopsPerToken() {
    long tokens = (long) decode.passes().size() * request.workload().batch();
    return tokens == 0 ? null : Math.round((double) decode.flops() / tokens);
  }

  /** Weights and keys read in one decode step, mean over the steps; null without steps. */
  public @Nullable Double decodeBytesPerStep() {
    int steps = decode.passes().size();
    return steps == 0 ? null : (double) (decode.weightBytes() + decode.kvReadBytes()) / steps;
  }

  /** Prompt tokens per second, all sequences; null where no time is known. */
  public @Nullable Double prefillTokensPerSecond() {
    return prefillSeconds == null
        ? null
        : (double) request.workload().batch() * request.workload().promptTokens() / prefillSeconds;
  }

  /** Generated tokens per second, all sequences; null where no time is known. */
  public @Nullable Double decodeTokensPerSecond() {
    return decodeSecondsPerToken == null
        ? null
        : request.workload().batch() / decodeSecondsPerToken;
  }

  /** True or false where the device's memory is known, else null. */
  public @Nullable Boolean fits() {
    Long available = device.memoryBytes();
    return available == null ? null : totalBytes() <= available;
  }
}
