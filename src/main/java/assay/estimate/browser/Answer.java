package assay.estimate.browser;

import assay.cost.MemoryKind;
import assay.estimate.Capacity;
import assay.estimate.InferenceEstimate;
import assay.estimate.Parallelism;
import assay.estimate.training.ActivationTerm;
import assay.estimate.training.Traffic;
import assay.estimate.training.TrainingEstimate;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Estimates under the names of {@code estimate --json}. */
final class Answer {
  private Answer() {}

  static Map<String, @Nullable Object> inference(
      InferenceEstimate e,
      Capacity capacity,
      @Nullable Parallelism spread,
      @Nullable Long bytesPerDevice) {
    Map<String, @Nullable Object> out = new LinkedHashMap<>();
    out.put("weights_bytes", e.bytes(MemoryKind.WEIGHTS));
    out.put("kv_cache_bytes", e.bytes(MemoryKind.KV_CACHE));
    out.put("activations_bytes", e.bytes(MemoryKind.ACTIVATIONS));
    out.put("workspace_bytes", e.bytes(MemoryKind.WORKSPACE));
    out.put("overhead_bytes", e.overheadBytes());
    out.put("total_bytes", e.totalBytes());
    out.put("prefill_flops", e.prefill().flops());
    out.put("decode_flops_per_token", e.decodeFlopsPerToken());
    out.put("prefill_seconds", e.prefillSeconds());
    out.put("decode_seconds_per_token", e.decodeSecondsPerToken());
    out.put("time_to_first_token_seconds", e.prefillSeconds());
    out.put("prefill_tokens_per_second", e.prefillTokensPerSecond());
    out.put("decode_tokens_per_second", e.decodeTokensPerSecond());
    out.put("decode_bytes_per_step", e.decodeBytesPerStep());
    out.put("fits", e.fits());
    out.put("largest_batch", capacity.largestBatch());
    out.put("longest_context_tokens", capacity.longestContext());
    out.put("fewest_devices", capacity.fewestDevices());
    out.put("devices", spread == null ? null : Integer.valueOf(spread.devices()));
    out.put("spread", spread == null ? null : spread.describe());
    out.put("bytes_per_device", bytesPerDevice);
    return out;
  }

  static Map<String, @Nullable Object> training(TrainingEstimate t, @Nullable Integer fewest) {
    Map<String, @Nullable Object> out = new LinkedHashMap<>();
    out.put("parallelism", t.request().parallelism().describe());
    out.put("devices", t.request().parallelism().devices());
    out.put("parameters", t.parameters());
    out.put("trained_parameters", t.trainedParameters());
    out.put("weights_bytes", t.bytes(MemoryKind.WEIGHTS));
    out.put("gradients_bytes", t.bytes(MemoryKind.GRADIENTS));
    out.put("optimizer_bytes", t.bytes(MemoryKind.OPTIMIZER));
    out.put("activations_bytes", t.bytes(MemoryKind.ACTIVATIONS));
    out.put("workspace_bytes", t.bytes(MemoryKind.WORKSPACE));
    out.put("overhead_bytes", t.overheadBytes());
    out.put("total_bytes", t.totalBytes());
    out.put("fits", t.fits());
    out.put("fewest_devices_zero3", fewest);
    out.put("activation_terms", t.terms().stream().map(Answer::term).toList());
    out.put("forward_flops", t.flops().forward());
    out.put("backward_flops", t.flops().backward());
    out.put("recompute_flops", t.flops().recompute());
    out.put("optimizer_flops", t.flops().optimizer());
    out.put("step_flops", t.flops().total());
    out.put("six_nd_flops", t.sixNd());
    out.put("eight_nd_flops", t.eightNd());
    out.put("tokens_per_step", t.request().tokensPerStep());
    out.put("utilization", t.utilization().value());
    out.put("utilization_source", t.utilization().source());
    out.put("step_seconds", range(t.stepSeconds()));
    out.put("training_seconds", range(t.totalSeconds()));
    out.put("traffic", traffic(t.traffic()));
    return out;
  }

  private static Map<String, @Nullable Object> term(ActivationTerm t) {
    Map<String, @Nullable Object> out = new LinkedHashMap<>();
    out.put("name", t.name());
    out.put("formula", t.formula());
    out.put("bytes", t.bytes());
    out.put("per_layer", t.perLayer());
    out.put("why", t.why());
    return out;
  }

  private static @Nullable Map<String, @Nullable Object> range(TrainingEstimate.@Nullable Range r) {
    if (r == null) {
      return null;
    }
    Map<String, @Nullable Object> out = new LinkedHashMap<>();
    out.put("low", r.low());
    out.put("value", r.value());
    out.put("high", r.high());
    return out;
  }

  private static List<Object> traffic(List<Traffic> all) {
    List<Object> out = new ArrayList<>();
    for (Traffic t : all) {
      Map<String, @Nullable Object> one = new LinkedHashMap<>();
      one.put("name", t.name());
      one.put("bytes", t.bytes());
      one.put("why", t.why());
      out.add(one);
    }
    return out;
  }
}
