package assay.cli;

import assay.cost.MemoryKind;
import assay.cost.ParameterCount;
import assay.estimate.Capacity;
import assay.estimate.Constant;
import assay.estimate.Constants;
import assay.estimate.Device;
import assay.estimate.InferenceEstimate;
import assay.estimate.Rate;
import assay.estimate.SharedInference;
import assay.estimate.rules.Rule;
import assay.estimate.training.ActivationTerm;
import assay.estimate.training.Traffic;
import assay.estimate.training.TrainingEstimate;
import assay.model.ModelConfig;
import assay.results.ModelFacts;
import assay.results.Prediction;
import assay.results.ResultJson;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** {@code estimate --json}: the objects of a result's row, and what has no place in a row. */
final class EstimateJson {
  private EstimateJson() {}

  /** The document for one precision. */
  static Map<String, Object> of(EstimateResult r, boolean randomWeights) {
    InferenceEstimate e = r.inference();
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("model", ResultJson.mapper().valueToTree(facts(e.request().config(), randomWeights)));
    out.put("precision", e.request().precision().label());
    out.put("workload", workload(e));
    out.put("estimate", estimate(r));
    TrainingEstimate training = r.training();
    if (training != null) {
      out.put("training", training(training, r));
    }
    out.put("device", device(e.device()));
    out.put("parameters", parameters(e.request().config()));
    out.put("flops_by_part", flopsByPart(e));
    out.put("rules", r.rules().stream().map(EstimateJson::rule).toList());
    out.put("constants", constants(e));
    out.put("warnings", e.warnings());
    return out;
  }

  private static ModelFacts facts(ModelConfig c, boolean randomWeights) {
    return new ModelFacts(
        c.name(),
        c.architecture(),
        c.parameters(),
        c.nLayers(),
        c.hiddenSize(),
        c.intermediateSize(),
        c.nHeads(),
        c.nKvHeads(),
        c.headDim(),
        c.vocabSize(),
        randomWeights ? "random" : "checkpoint");
  }

  private static Map<String, Object> workload(InferenceEstimate e) {
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("kind", "inference");
    out.put("batch", e.request().workload().batch());
    out.put("prompt_tokens", e.request().workload().promptTokens());
    out.put("generated_tokens", e.request().workload().generatedTokens());
    out.put("context_tokens", e.request().size().contextTokens());
    out.put("pass_tokens", e.request().size().passTokens());
    out.put("kv_cache_type", e.request().size().types().kvCache().name().toLowerCase(Locale.ROOT));
    return out;
  }

  /** The row's prediction; {@code run} writes the same. */
  static Prediction prediction(InferenceEstimate e) {
    Constants k = e.constants();
    return new Prediction(
        e.bytes(MemoryKind.WEIGHTS),
        e.bytes(MemoryKind.KV_CACHE),
        e.bytes(MemoryKind.ACTIVATIONS),
        e.bytes(MemoryKind.WORKSPACE),
        e.overheadBytes(),
        e.totalBytes(),
        e.prefill().flops(),
        e.decodeFlopsPerToken(),
        e.prefillSeconds(),
        e.decodeSecondsPerToken(),
        k.isCalibrated() ? k.name() : null);
  }

  private static Map<String, Object> estimate(EstimateResult r) {
    InferenceEstimate e = r.inference();
    Prediction p = prediction(e);
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("weights_bytes", p.weightsBytes());
    out.put("kv_cache_bytes", p.kvCacheBytes());
    out.put("activations_bytes", p.activationsBytes());
    out.put("workspace_bytes", p.workspaceBytes());
    out.put("overhead_bytes", p.overheadBytes());
    out.put("total_bytes", p.totalBytes());
    out.put("prefill_flops", p.prefillFlops());
    out.put("decode_flops_per_token", p.decodeFlopsPerToken());
    out.put("prefill_seconds", p.prefillSeconds());
    out.put("decode_seconds_per_token", p.decodeSecondsPerToken());
    out.put("calibration", p.calibration());
    out.put("time_to_first_token_seconds", p.prefillSeconds());
    out.put("prefill_tokens_per_second", e.prefillTokensPerSecond());
    out.put("decode_tokens_per_second", e.decodeTokensPerSecond());
    out.put("decode_bytes_per_step", e.decodeBytesPerStep());
    out.put("fits", e.fits());
    Capacity c = r.capacity();
    out.put("largest_batch", c.largestBatch());
    out.put("longest_context_tokens", c.longestContext());
    out.put("fewest_devices", c.fewestDevices());
    SharedInference s = r.spread();
    out.put("devices", s.parallelism().devices());
    out.put("spread", s.parallelism().describe());
    out.put("bytes_per_device", s.bytesPerDevice());
    out.put("shared_prefill_seconds", s.prefillSeconds());
    out.put("shared_decode_seconds_per_token", s.decodeSecondsPerToken());
    out.put("prefill_bytes_sent", s.prefillBytesSent());
    out.put("decode_bytes_sent_per_step", s.decodeBytesSent());
    return out;
  }

  /** One short object for each card. */
  static List<Map<String, Object>> cards(List<InferenceEstimate> estimates) {
    List<Map<String, Object>> out = new ArrayList<>();
    for (InferenceEstimate e : estimates) {
      Map<String, Object> one = new LinkedHashMap<>();
      one.put("name", e.device().name());
      one.put("memory_bytes", e.device().memoryBytes());
      one.put("fits", e.fits());
      one.put("prefill_seconds", e.prefillSeconds());
      one.put("decode_seconds_per_token", e.decodeSecondsPerToken());
      one.put("decode_tokens_per_second", e.decodeTokensPerSecond());
      out.add(one);
    }
    return out;
  }

  private static Map<String, Object> training(TrainingEstimate t, EstimateResult r) {
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("batch", t.request().microBatch());
    out.put("tokens", t.request().tokens());
    out.put("accumulation", t.request().accumulation());
    out.put("optimizer", t.request().optimizer().label());
    out.put("recomputation", t.request().recomputation().name().toLowerCase(Locale.ROOT));
    out.put("parallelism", t.request().parallelism().describe());
    out.put("devices", t.request().parallelism().devices());
    out.put("parameters", t.parameters());
    out.put("trained_parameters", t.trainedParameters());
    for (MemoryKind k :
        List.of(
            MemoryKind.WEIGHTS,
            MemoryKind.GRADIENTS,
            MemoryKind.OPTIMIZER,
            MemoryKind.ACTIVATIONS,
            MemoryKind.WORKSPACE)) {
      out.put(k.label() + "_bytes", t.bytes(k));
    }
    out.put("overhead_bytes", t.overheadBytes());
    out.put("total_bytes", t.totalBytes());
    out.put("fits", t.fits());
    out.put("fewest_devices_zero3", r.fewestTraining());
    out.put("activation_terms", t.terms().stream().map(EstimateJson::term).toList());
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
    out.put("training_tokens", t.request().trainingTokens());
    out.put("training_seconds", range(t.totalSeconds()));
    out.put("traffic", t.traffic().stream().map(EstimateJson::traffic).toList());
    out.put("sharings", r.sharings().stream().map(EstimateJson::sharing).toList());
    out.put("warnings", t.warnings());
    return out;
  }

  private static Map<String, Object> sharing(TrainingEstimate t) {
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("parallelism", t.request().parallelism().describe());
    out.put("bytes_per_device", t.totalBytes());
    out.put("fits", t.fits());
    out.put("tokens_per_step", t.request().tokensPerStep());
    out.put("step_seconds", range(t.stepSeconds()));
    out.put("sent_bytes", t.sentBytes());
    out.put("link_bytes_per_second", t.linkBytesPerSecond());
    return out;
  }

  private static @Nullable Map<String, Object> range(TrainingEstimate.@Nullable Range r) {
    if (r == null) {
      return null;
    }
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("low", r.low());
    out.put("value", r.value());
    out.put("high", r.high());
    return out;
  }

  private static Map<String, Object> term(ActivationTerm t) {
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("name", t.name());
    out.put("formula", t.formula());
    out.put("bytes", t.bytes());
    out.put("per_layer", t.perLayer());
    out.put("why", t.why());
    return out;
  }

  private static Map<String, Object> traffic(Traffic t) {
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("name", t.name());
    out.put("bytes", t.bytes());
    out.put("why", t.why());
    return out;
  }

  private static Map<String, Object> rule(Rule r) {
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("topic", r.topic());
    out.put("rule", r.rule());
    out.put("source", r.source());
    out.put("value", r.value());
    out.put("unit", r.unit());
    out.put("exact", r.exact());
    out.put("deviation", r.deviation());
    return out;
  }

  private static Map<String, Object> parameters(ModelConfig c) {
    ParameterCount n = ParameterCount.of(c);
    Map<String, Object> out = new LinkedHashMap<>();
    n.byComponent().forEach((k, v) -> out.put(k.name().toLowerCase(Locale.ROOT), v));
    out.put("total", n.total());
    out.put("active", n.active());
    out.put("multiplied", n.multiplied());
    return out;
  }

  private static Map<String, Object> flopsByPart(InferenceEstimate e) {
    Map<String, Long> prefill = new LinkedHashMap<>();
    e.prefill()
        .passes()
        .forEach(
            p -> p.flopsByPart().forEach((k, v) -> prefill.merge(k.label(), v, Math::addExact)));
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("prefill", prefill);
    return out;
  }

  private static Map<String, Object> device(Device d) {
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("name", d.name());
    out.put("kind", d.kind().label());
    out.put("architecture", d.architecture());
    out.put("memory_bytes", d.memoryBytes());
    out.put("bandwidth_bytes_per_second", rate(d.bandwidth()));
    Map<String, Object> peaks = new LinkedHashMap<>();
    new java.util.TreeMap<>(d.peaks()).forEach((p, r) -> peaks.put(p.label(), rate(r)));
    out.put("peak_flops_per_second", peaks);
    out.put("tdp_watts", d.tdpWatts());
    out.put("notes", d.notes());
    return out;
  }

  private static @Nullable Map<String, Object> rate(@Nullable Rate r) {
    if (r == null) {
      return null;
    }
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("value", r.perSecond());
    out.put("source", r.source());
    out.put("derived", r.derived());
    return out;
  }

  private static List<Map<String, Object>> constants(InferenceEstimate e) {
    List<Map<String, Object>> out = new ArrayList<>();
    for (Constant c : e.constants().used(e.request().precision())) {
      Map<String, Object> one = new LinkedHashMap<>();
      one.put("name", c.key());
      one.put("value", c.value());
      one.put("unit", c.coefficient().unit());
      one.put("origin", c.origin().name().toLowerCase(Locale.ROOT));
      one.put("source", c.source());
      if (c.interval() != null) {
        one.put("low", c.interval().low());
        one.put("high", c.interval().high());
      }
      out.add(one);
    }
    return out;
  }
}
