package assay.estimate.browser;

import assay.cost.SessionSize;
import assay.estimate.Capacity;
import assay.estimate.Constants;
import assay.estimate.Device;
import assay.estimate.DeviceKind;
import assay.estimate.InferenceRequest;
import assay.estimate.Parallelism;
import assay.estimate.Scratch;
import assay.estimate.training.Lora;
import assay.estimate.training.Optimizer;
import assay.estimate.training.Recomputation;
import assay.estimate.training.TrainingRequest;
import assay.estimate.training.TrainingTypes;
import assay.estimate.training.Utilization;
import assay.model.AdapterShape;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.UserError;
import assay.model.Workload;
import org.jspecify.annotations.Nullable;

/** What the page's controls say, as requests to the estimator; the names are the options'. */
final class Question {
  private final ModelConfig config;
  private final @Nullable AdapterShape adapter;
  private final Fields f;

  Question(ModelConfig config, @Nullable AdapterShape adapter, String text) {
    this.config = config;
    this.adapter = adapter;
    this.f = Fields.parse(text);
  }

  Precision precision() {
    return Precision.of(f.need("precision"));
  }

  InferenceRequest inference(DeviceKind kind) {
    Precision p = precision();
    Workload w = new Workload(f.integer("batch"), f.integer("prompt"), f.integer("generate"));
    SessionSize size =
        SessionSize.of(p, kind.activationType(p), w.batch(), f.integer("context"))
            .withPassTokens(Math.min(SessionSize.USUAL_PASS_TOKENS, w.promptTokens()));
    DType kv = Facts.plainType(f.text("kv-cache"));
    if (kv != null) {
      size = size.withKvCache(kv);
    }
    long scratch = Scratch.bytes(kind, config, size, f.integer("workers"));
    return new InferenceRequest(config, p, w, size, scratch, null, adapter);
  }

  /** How the devices share the model at inference. */
  Parallelism spread() {
    int devices = f.integer("devices");
    if (f.integer("tensor") * f.integer("pipeline") == devices) {
      return new Parallelism(1, 0, f.integer("tensor"), f.integer("pipeline"));
    }
    Parallelism p = devices < 1 ? null : Capacity.spread(config, devices);
    if (p == null) {
      throw new UserError(
          config.name()
              + " cannot be shared by "
              + devices
              + " devices: neither its heads nor its layers divide so");
    }
    return p;
  }

  /** Only what a curve's point needs is asked; the searches are left out. */
  boolean isPoint() {
    return "true".equals(f.text("point"));
  }

  boolean trains() {
    return "true".equals(f.text("train"));
  }

  TrainingRequest training() {
    TrainingTypes types = TrainingTypes.of(precision());
    DType moments = Facts.plainType(f.text("optimizer-type"));
    DType gradients = Facts.plainType(f.text("gradients"));
    types = moments == null ? types : types.withOptimizer(moments);
    types = gradients == null ? types : types.withGradients(gradients);
    return new TrainingRequest(
        config,
        types,
        Optimizer.of(f.need("optimizer")),
        f.integer("batch"),
        f.integer("accumulate"),
        f.integer("context"),
        Recomputation.valueOf(f.need("recompute").toUpperCase(java.util.Locale.ROOT)),
        f.truth("stored-scores"),
        f.truth("dropout"),
        lora(),
        replicas(),
        f.maybe("tokens"));
  }

  private Parallelism replicas() {
    int tensor = f.integer("tensor");
    int pipeline = f.integer("pipeline");
    int devices = f.integer("devices");
    int shared = tensor * pipeline;
    if (shared < 1 || devices < 1 || devices % shared != 0) {
      throw new UserError(
          devices
              + " devices: expected a multiple of tensor "
              + tensor
              + " × pipeline "
              + pipeline);
    }
    return new Parallelism(devices / shared, f.integer("zero"), tensor, pipeline);
  }

  private @Nullable Lora lora() {
    String frozen = f.need("qlora");
    Precision quantized = frozen.equals("none") ? null : Precision.of(frozen);
    if (adapter != null) {
      return Lora.of(adapter, quantized);
    }
    int rank = f.integer("lora");
    if (rank == 0) {
      return null;
    }
    return new Lora(
        rank, f.number("lora-alpha"), Lora.targetsOf(f.need("lora-targets")), quantized);
  }

  Utilization utilization(TrainingRequest r, Device device, Constants constants) {
    return Utilization.of(f.maybe("utilization"), r, device, constants);
  }
}
