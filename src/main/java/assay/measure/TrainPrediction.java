package assay.measure;

import assay.cost.MemoryKind;
import assay.engine.AttentionPath;
import assay.estimate.Parallelism;
import assay.estimate.training.Lora;
import assay.estimate.training.Optimizer;
import assay.estimate.training.Recomputation;
import assay.estimate.training.TrainingEstimator;
import assay.estimate.training.TrainingFlops;
import assay.estimate.training.TrainingRequest;
import assay.estimate.training.TrainingTypes;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.tensor.MemoryCategory;
import assay.train.Adapters;
import assay.train.StepTypes;
import assay.train.TrainingOptions;
import java.util.EnumMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What the estimator says of a training step, which knows nothing of the step's own allocations:
 * there is none for the workspace.
 *
 * @param request the step in the estimator's words
 * @param bytes by category
 * @param flops of one step
 */
public record TrainPrediction(
    TrainingRequest request, Map<MemoryCategory, Long> bytes, TrainingFlops flops) {

  /** Of a step on one device. */
  public static TrainPrediction of(ModelConfig c, TrainingOptions o) {
    TrainingRequest request =
        new TrainingRequest(
            c,
            types(o.types()),
            optimizer(o.optimizer()),
            o.batch(),
            1,
            o.tokens(),
            recomputation(o.recomputation()),
            o.attention() == AttentionPath.STORED,
            false,
            lora(o.adapters(), o.types()),
            Parallelism.NONE,
            null);
    Map<MemoryCategory, Long> bytes = new EnumMap<>(MemoryCategory.class);
    Map<MemoryKind, Long> kinds = TrainingEstimator.bytes(request);
    for (MemoryCategory category :
        new MemoryCategory[] {
          MemoryCategory.WEIGHTS,
          MemoryCategory.GRADIENTS,
          MemoryCategory.OPTIMIZER,
          MemoryCategory.ACTIVATIONS
        }) {
      bytes.put(category, kinds.getOrDefault(MemoryKind.valueOf(category.name()), 0L));
    }
    return new TrainPrediction(request, bytes, TrainingFlops.of(request));
  }

  private static TrainingTypes types(StepTypes t) {
    boolean mixed = t.weights() != DType.F32;
    return new TrainingTypes(
        precision(t.weights()), t.weights(), t.gradients(), DType.F32, mixed, t.activations());
  }

  private static Precision precision(DType type) {
    return switch (type) {
      case F32 -> Precision.FP32;
      case F16 -> Precision.FP16;
      case BF16 -> Precision.BF16;
      case Q8_0 -> Precision.INT8;
      case Q4_0 -> Precision.INT4;
      default -> throw new IllegalArgumentException("no training in " + type);
    };
  }

  private static Optimizer optimizer(assay.train.Optimizer o) {
    return switch (o) {
      case ADAM -> Optimizer.ADAM;
      case ADAMW -> Optimizer.ADAMW;
      case SGD -> Optimizer.SGD;
      case SGD_MOMENTUM -> Optimizer.SGD_MOMENTUM;
    };
  }

  private static Recomputation recomputation(assay.train.Recomputation r) {
    return switch (r) {
      case NONE -> Recomputation.NONE;
      case SELECTIVE -> Recomputation.SELECTIVE;
      case FULL -> Recomputation.FULL;
    };
  }

  private static @Nullable Lora lora(@Nullable Adapters a, StepTypes t) {
    return a == null
        ? null
        : new Lora(
            a.rank(),
            a.alpha(),
            a.targets(),
            t.frozen() == t.weights() ? null : precision(t.frozen()));
  }
}
