package assay.estimate;

import assay.cost.CostModel;
import assay.cost.MemoryCost;
import assay.cost.PhaseCost;
import assay.cost.StorageTypes;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.TensorSpec;
import assay.model.Workload;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Turns a request into a prediction. Pure: the same input gives the same output anywhere. */
public final class Estimator {
  private Estimator() {}

  /** Predicts inference on a device. */
  public static InferenceEstimate inference(
      InferenceRequest r, Device device, Constants constants) {
    ModelConfig c = r.config();
    Workload w = r.workload();
    Precision p = r.precision();
    Function<TensorSpec, DType> storedType =
        r.storedType() == null ? t -> t.storedType(p) : r.storedType();
    MemoryCost memory = MemoryCost.of(c, r.size(), r.scratchBytes(), storedType, r.adapter());
    StorageTypes types = r.size().types();
    PhaseCost prefill =
        CostModel.prefill(
            c, r.adapter(), types, w.batch(), w.promptTokens(), r.size().passTokens());
    PhaseCost decode =
        CostModel.decodeSteps(c, r.adapter(), types, w.batch(), w.promptTokens(), w.decodePasses());
    Roofline roofline = Roofline.of(device, p, constants);
    Double prefillSeconds = roofline == null ? null : roofline.seconds(prefill);
    Double decodeSeconds =
        roofline == null || decode.passes().isEmpty()
            ? null
            : roofline.seconds(decode) / decode.passes().size();
    long padding = Math.subtractExact(memory.totalReservedBytes(), memory.totalBytes());
    long overhead =
        Math.addExact(padding, Math.round(constants.value(Coefficient.OVERHEAD_BYTES, p)));
    return new InferenceEstimate(
        r,
        device,
        constants,
        memory,
        overhead,
        prefill,
        decode,
        prefillSeconds,
        decodeSeconds,
        warnings(r, device, roofline));
  }

  private static List<String> warnings(
      InferenceRequest r, Device device, @Nullable Roofline roofline) {
    List<String> out = new ArrayList<>();
    if (roofline == null) {
      out.add(missing(device, r.precision()));
    }
    if (r.size().contextTokens() > r.config().maxSeqLen()) {
      out.add(
          "a context of %d tokens is longer than the %d that %s has positions for"
              .formatted(r.size().contextTokens(), r.config().maxSeqLen(), r.config().name()));
    }
    return out;
  }

  private static String missing(Device device, Precision p) {
    List<String> unknown = new ArrayList<>();
    if (device.matmulPeak(p) == null || device.attentionPeak(p) == null) {
      unknown.add("peak of " + device.kind().matmulArithmetic(p).label() + " arithmetic");
    }
    if (device.bandwidth() == null) {
      unknown.add("bandwidth");
    }
    return "no times: the %s of %s is not known"
        .formatted(String.join(" and ", unknown), device.name());
  }
}
