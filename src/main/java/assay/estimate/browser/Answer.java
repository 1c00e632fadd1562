package assay.estimate.browser;

import assay.cost.MemoryKind;
import assay.estimate.Capacity;
import assay.estimate.InferenceEstimate;
import assay.estimate.SharedInference;
import assay.estimate.rules.Rule;
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
      InferenceEstimate e, Capacity capacity, @Nullable SharedInference shared) {
    Map<String, @Nullable Object> out = point(e);
    out.put("largest_batch", capacity.largestBatch());
    out.put("longest_context_tokens", capacity.longestContext());
    out.put("fewest_devices", capacity.fewestDevices());
    if (shared != null) {
      out.put("devices", shared.parallelism().devices());
      out.put("spread", shared.parallelism().describe());
      out.put("bytes_per_device", shared.bytesPerDevice());
      out.put("shared_prefill_seconds", shared.prefillSeconds());
      out.put("shared_decode_seconds_per_token", shared.decodeSecondsPerToken());
      out.put("prefill_bytes_sent", shared.prefillBytesSent());
      out.put("decode_bytes_sent_per_step", shared.decodeBytesSent());
    }
    return out;
  }

  /** The estimate alone, without what is searched for. */
  static Map<String, @Nullable Object> point(InferenceEstimate e) {
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
    return out;
  }

  static Map<String, @Nullable Object> training(
      TrainingEstimate t, @Nullable Integer fewest, List<TrainingEstimate> sharings) {
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
    out.put("sharings", sharings.stream().map(Answer::sharing).toList());
    return out;
  }

  private static Map<String, @Nullable Object> sharing(TrainingEstimate t) {
    Map<String, @Nullable Object> out = new LinkedHashMap<>();
    out.put("parallelism", t.request().parallelism().describe());
    out.put("bytes_per_device", t.totalBytes());
    out.put("fits", t.fits());
    out.put("tokens_per_step", t.request().tokensPerStep());
    out.put("step_seconds", range(t.stepSeconds()));
    out.put("sent_bytes", t.sentBytes());
    out.put("link_bytes_per_second", t.linkBytesPerSecond());
    return out;
  }

  /** The panel. */
  static List<Object> rules(List<Rule> rules) {
    List<Object> out = new ArrayList<>();
    for (Rule r : rules) {
      Map<String, @Nullable Object> one = new LinkedHashMap<>();
      one.put("topic", r.topic());
      one.put("rule", r.rule());
      one.put("source", r.source());
      one.put("value", r.value());
      one.put("unit", r.unit());
      one.put("exact", r.exact());
      one.put("deviation", r.deviation());
      out.add(one);
    }
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
