package assay.estimate.rules;

import assay.cost.MemoryKind;
import assay.estimate.training.TrainingEstimate;
import assay.estimate.training.TrainingRequest;
import assay.model.ModelConfig;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The rules for training. They know full training of a dense model only; adapters are not in them.
 */
public final class TrainingRules {
  private TrainingRules() {}

  /**
   * Every rule for this input.
   *
   * @param e the estimate on one device, nothing shared: rules know of no sharing
   * @param spread the estimate on the devices at hand, for the time of the whole training
   * @param fewest devices that fit by the exact count, or null
   */
  public static List<Rule> of(
      TrainingEstimate e, TrainingEstimate spread, @Nullable Integer fewest) {
    double n = e.parameters();
    double states =
        (double) e.bytes(MemoryKind.WEIGHTS)
            + e.bytes(MemoryKind.GRADIENTS)
            + e.bytes(MemoryKind.OPTIMIZER);
    List<Rule> out = new ArrayList<>();
    states(out, n, states, e);
    double total = e.totalBytes();
    out.add(
        new Rule(
            "all training memory",
            "24·N: 4 weights, 8 Adam, 4 gradients, 8 activations",
            "claims T1 and M3 (S1)",
            24 * n,
            "B",
            total));
    out.add(new Rule("all training memory", "18·1.25·N", "claim T7 (S4)", 22.5 * n, "B", total));
    activations(out, e);
    double flops = e.flops().total();
    out.add(new Rule("a step", "6·N·D", "claim C2 (S3)", e.sixNd(), "FLOP", flops));
    out.add(new Rule("a step", "8·N·D, recomputing", "claim C3 (S3)", e.eightNd(), "FLOP", flops));
    Long memory = e.device().memoryBytes();
    if (memory != null) {
      out.add(
          new Rule(
              "devices",
              "N·18·1.25 / memory",
              "claim T7 (S4)",
              22.5 * n / memory,
              "devices",
              fewest == null ? null : Double.valueOf(fewest)));
    }
    Double seconds = spread.ruleSeconds();
    TrainingEstimate.Range exact = spread.totalSeconds();
    if (seconds != null && exact != null) {
      out.add(
          new Rule(
              "all training time",
              "8·D·N / (devices · peak · utilisation)",
              "claim C4 (S3)",
              seconds,
              "s",
              exact.value()));
    }
    out.add(
        new Rule(
            "tokens to train on",
            "20 per parameter",
            "claim C7 (S3): Hoffmann et al. 2022",
            20 * n,
            "tokens",
            null));
    return List.copyOf(out);
  }

  private static void states(List<Rule> out, double n, double states, TrainingEstimate e) {
    String topic = "weights, gradients, optimizer";
    out.add(new Rule(topic, "8·N", "tools that count Adam's moments alone", 8 * n, "B", states));
    out.add(new Rule(topic, "12·N", "tools that leave out the weights", 12 * n, "B", states));
    out.add(
        new Rule(topic, "16·N", "mixed precision, Rajbhandari et al. 2020", 16 * n, "B", states));
    out.add(
        new Rule(
            topic, "18·N", "claim T7 (S4); fp32 gradients beside 16 bits", 18 * n, "B", states));
    out.add(new Rule(topic, "20·N", "claim T2 (S3)", 20 * n, "B", states));
    double x = e.request().types().weights().bytes(1, 1);
    double y = e.request().types().gradients().bytes(1, 1);
    out.add(new Rule(topic, "(x + y + 12)·N", "claim T3 (S4)", (x + y + 12) * n, "B", states));
  }

  /**
   * Claim T4 with this shape's symbols. The middle expression of the source leaves out the
   * attention block's linear part, 5bshp + bsh.
   */
  private static void activations(List<Rule> out, TrainingEstimate e) {
    TrainingRequest r = e.request();
    ModelConfig c = r.config();
    double p = r.types().activations().bytes(1, 1);
    double bsh = (double) r.rows() * c.hiddenSize();
    double abss = (double) r.rows() * r.tokens() * c.nHeads();
    double bracket = c.nLayers() * (16 * bsh * p + 2 * bsh + abss * (2 * p + 1));
    double middle = c.nLayers() * (11 * bsh * p + bsh + abss * (2 * p + 1));
    double exact = e.bytes(MemoryKind.ACTIVATIONS);
    out.add(
        new Rule(
            "activations",
            "L·bshp·[16 + 2/p + (as/h)(2 + 1/p)]",
            "claim T4 (S4): Korthikanti et al. 2022",
            bracket,
            "B",
            exact));
    out.add(
        new Rule(
            "activations",
            "L·(9bshp + bsh + 2abssp + abss + 2bshp)",
            "S4's middle expression, 5bshp + bsh short",
            middle,
            "B",
            exact));
    out.add(new Rule("activations", "8·N", "claim T1 (S1)", 8.0 * e.parameters(), "B", exact));
  }
}
