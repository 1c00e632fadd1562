package assay.estimate.rules;

import assay.cost.MemoryKind;
import assay.estimate.Capacity;
import assay.estimate.Device;
import assay.estimate.InferenceEstimate;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.units.Quantity;
import java.util.ArrayList;
import java.util.List;

/** The rules for inference. */
public final class InferenceRules {
  private InferenceRules() {}

  /** Bytes of a parameter as the sources count them: scales and zero points left out. */
  public static double plainBytes(Precision p) {
    return switch (p) {
      case FP32, TF32 -> 4;
      case FP16, BF16 -> 2;
      case FP8, INT8 -> 1;
      case INT4 -> 0.5;
    };
  }

  /** Every rule for this input. */
  public static List<Rule> of(InferenceEstimate e, Capacity capacity) {
    ModelConfig c = e.request().config();
    double n = c.parameters();
    double p = plainBytes(e.request().precision());
    int batch = e.request().workload().batch();
    double prompt = (double) batch * e.request().workload().promptTokens();
    List<Rule> out = new ArrayList<>();
    out.add(
        new Rule(
            "weights",
            "N × " + Quantity.digits(p),
            "claims M1 to M3 and F4 (S0, S1, S4)",
            n * p,
            "B",
            (double) e.bytes(MemoryKind.WEIGHTS)));
    double slots = (double) batch * e.request().size().contextTokens();
    double kvElement = e.request().size().types().kvCache().bytes(1, 1);
    double multiHead = 2.0 * c.nLayers() * c.hiddenSize() * slots * kvElement;
    double kv = e.bytes(MemoryKind.KV_CACHE);
    out.add(
        new Rule(
            "KV cache",
            "2·L·h·b·s·p, every head its own",
            "calculators that ignore GQA",
            multiHead,
            "B",
            kv));
    out.add(new Rule("KV cache", "K without V", "a script that leaves out V", kv / 2, "B", kv));
    out.add(
        new Rule(
            "prefill",
            "2·N per token",
            "claim C1 (S3)",
            2 * n * prompt,
            "FLOP",
            (double) e.prefill().flops()));
    Long perToken = e.decodeFlopsPerToken();
    if (perToken != null) {
      out.add(new Rule("a token", "2·N", "claim C1 (S3)", 2 * n, "FLOP", perToken.doubleValue()));
    }
    devices(out, e, capacity, n);
    return List.copyOf(out);
  }

  private static void devices(List<Rule> out, InferenceEstimate e, Capacity capacity, double n) {
    Device d = e.device();
    Long memory = d.memoryBytes();
    if (memory == null) {
      return;
    }
    double training = n * 18 * 1.25 / memory;
    Double exact =
        capacity.fewestDevices() == null ? null : Double.valueOf(capacity.fewestDevices());
    for (int divisor = 8; divisor <= 9; divisor++) {
      out.add(
          new Rule(
              "devices",
              "N·18·1.25 / memory / " + divisor,
              "claim T7 (S4)",
              training / divisor,
              "devices",
              exact));
    }
  }
}
