package assay.estimate;

import assay.cost.CostModel;
import assay.cost.MemoryCost;
import assay.cost.PhaseCost;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.Workload;
import java.util.ArrayList;
import java.util.List;
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
    MemoryCost memory =
        r.storedType() == null
            ? MemoryCost.of(c, r.size(), r.scratchBytes())
            : MemoryCost.of(c, r.size(), r.scratchBytes(), r.storedType());
    PhaseCost prefill =
        CostModel.prefill(c, r.size().types(), w.batch(), w.promptTokens(), r.size().passTokens());
    PhaseCost decode =
        CostModel.decodeSteps(c, r.size().types(), w.batch(), w.promptTokens(), w.decodePasses());
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
