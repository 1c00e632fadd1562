package assay.results;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Raw samples, in the order in which they were taken, warm-up not among them.
 *
 * @param prefillSeconds one per prefill
 * @param decodeSecondsPerToken one per sequence of decode passes: its time over its passes
 * @param warmupRuns runs that were thrown away before
 * @param pace of the host before, between and after the runs; null where it is not probed
 */
public record Samples(
    @Nullable List<Double> prefillSeconds,
    @Nullable List<Double> decodeSecondsPerToken,
    @Nullable Integer warmupRuns,
    @Nullable List<Pace> pace) {
  /** Checks every sample. */
  public Samples {
    prefillSeconds = checked("samples.prefill_seconds", prefillSeconds);
    decodeSecondsPerToken = checked("samples.decode_seconds_per_token", decodeSecondsPerToken);
    pace = pace == null ? null : List.copyOf(pace);
  }

  private static @Nullable List<Double> checked(String name, @Nullable List<Double> samples) {
    if (samples == null) {
      return null;
    }
    for (Double s : samples) {
      Numbers.present(name, s);
      Numbers.positive(name, s);
    }
    return List.copyOf(samples);
  }
}
