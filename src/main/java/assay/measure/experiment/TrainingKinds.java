package assay.measure.experiment;

import assay.backend.Backend;
import assay.backend.TrainingOps;
import assay.engine.AttentionPath;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.WeightRole;
import assay.results.Experiment;
import assay.train.Adapters;
import assay.train.Optimizer;
import assay.train.Recomputation;
import assay.train.StepTypes;
import assay.train.TrainingMeasurement;
import assay.train.TrainingOptions;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * Real training steps of every kind beside the usual one in fp32 with AdamW: optimisers, mixed
 * precision, selective recomputation, adapters beside plain and quantised weights. Claims T2, T3,
 * T5, T7, T8.
 */
public final class TrainingKinds {
  /** The id of the experiment. */
  public static final String ID = "training-kinds";

  private static final int BATCH = 1;
  private static final int TOKENS = 128;
  private static final int WARM_UP = 1;
  private static final int MEASURED = 3;
  private static final long SEED = 1;

  private static final Set<WeightRole> ALL_LINEAR =
      EnumSet.of(
          WeightRole.Q,
          WeightRole.K,
          WeightRole.V,
          WeightRole.O,
          WeightRole.GATE,
          WeightRole.UP,
          WeightRole.DOWN);

  /** S1's matrix, 512 × 64, is its q projection: 64 wide, 8 heads of 64. */
  private static final ModelConfig SOURCE_SHAPE =
      ModelConfig.builder("s1", "llama")
          .size(1, 64, 96)
          .heads(8, 8, 64)
          .tokens(256, 128)
          .tied(true)
          .build();

  private TrainingKinds() {}

  /** By label, in order. */
  private static Map<String, TrainingOptions> kinds() {
    TrainingOptions plain = TrainingOptions.of(BATCH, TOKENS);
    StepTypes bf16 = StepTypes.of(DType.BF16);
    Adapters all = new Adapters(8, 16, ALL_LINEAR);
    Adapters some = new Adapters(8, 16, Set.of(WeightRole.Q, WeightRole.V));
    TrainingOptions stored = plain.with(AttentionPath.STORED);
    Map<String, TrainingOptions> out = new LinkedHashMap<>();
    out.put("fp32_adamw", plain);
    out.put("fp32_adam", plain.with(Optimizer.ADAM));
    out.put("fp32_sgd", plain.with(Optimizer.SGD));
    out.put("fp32_sgd_momentum", plain.with(Optimizer.SGD_MOMENTUM));
    out.put("mixed_adamw", plain.with(bf16));
    out.put("mixed_adamw_fp32_gradients", plain.with(bf16.withGradients(DType.F32)));
    out.put("mixed_sgd_momentum", plain.with(bf16).with(Optimizer.SGD_MOMENTUM));
    out.put("mixed_adamw_recomputed", plain.with(bf16).with(Recomputation.FULL));
    out.put("stored_scores", stored);
    out.put("stored_scores_selective", stored.with(Recomputation.SELECTIVE));
    out.put("lora_all_linear", plain.with(all));
    out.put("lora_q_v", plain.with(some));
    out.put("lora_mixed", plain.with(bf16).with(all));
    out.put("qlora_int8", plain.with(bf16.withFrozen(DType.Q8_0)).with(all));
    out.put("qlora_int4", plain.with(bf16.withFrozen(DType.Q4_0)).with(all));
    return out;
  }

  /**
   * One step of each kind, and the source's 512 × 64 with adapters of rank 4.
   *
   * @param ops opens a device to train on; each step closes its own
   */
  public static <T> Function<Backend, Outcome> steps(Supplier<? extends TrainingOps<T>> ops) {
    return backend -> steps(ops, WARM_UP, MEASURED);
  }

  static <T> Outcome steps(Supplier<? extends TrainingOps<T>> ops, int warmUp, int measured) {
    Map<String, TrainingOptions> kinds = kinds();
    List<Experiment.Point> points = new ArrayList<>();
    kinds.forEach(
        (label, o) ->
            points.add(point(label, ops, TrainingExperiments.SHAPE, o, warmUp, measured)));
    TrainingOptions source =
        TrainingOptions.of(1, 16).with(new Adapters(4, 8, Set.of(WeightRole.Q)));
    points.add(point("lora_512_64", ops, SOURCE_SHAPE, source, warmUp, measured));
    return new Outcome(
        "4 layers of 256, MLP 704 (SwiGLU), 8 heads, vocabulary 2,048 (tied), 128 tokens; mixed:"
            + " bf16 weights, activations and gradients, fp32 master copy; adapters of rank 8;"
            + " bytes allocated beside the estimator's; medians of %d steps, 16-bit operands"
                .formatted(measured)
            + " widened to fp32 on a CPU",
        Map.of(),
        points);
  }

  private static <T> Experiment.Point point(
      String label,
      Supplier<? extends TrainingOps<T>> ops,
      ModelConfig c,
      TrainingOptions o,
      int warmUp,
      int measured) {
    return TrainingPoint.of(
        label, c, o, TrainingMeasurement.of(ops.get(), c, o, warmUp, measured, SEED));
  }
}
