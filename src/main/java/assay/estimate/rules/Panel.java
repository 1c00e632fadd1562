package assay.estimate.rules;

import assay.estimate.Capacity;
import assay.estimate.InferenceEstimate;
import assay.estimate.Parallelism;
import assay.estimate.training.TrainingEstimate;
import assay.estimate.training.TrainingEstimator;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** One input through every rule. The command line and the page both show this. */
public final class Panel {
  private Panel() {}

  /**
   * Every rule beside the exact count.
   *
   * @param training on the devices at hand, or null where it was not asked for
   * @param fewest replicas that training needs, or null
   */
  public static List<Rule> of(
      InferenceEstimate e,
      Capacity capacity,
      @Nullable TrainingEstimate training,
      @Nullable Integer fewest) {
    List<Rule> out = new ArrayList<>(InferenceRules.of(e, capacity));
    if (training != null) {
      // Rules know nothing of sharing: beside them stands what one device would need alone.
      TrainingEstimate alone =
          TrainingEstimator.estimate(
              training.request().with(Parallelism.NONE),
              training.device(),
              e.constants(),
              training.utilization());
      out.add(
          new Rule(
              "all inference memory",
              "at most 1/4 of training's",
              "claim M4 (S4)",
              alone.totalBytes() / 4.0,
              "B",
              (double) e.totalBytes()));
      out.addAll(TrainingRules.of(alone, training, fewest));
    }
    return List.copyOf(out);
  }
}
