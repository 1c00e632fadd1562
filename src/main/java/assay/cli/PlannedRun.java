package assay.cli;

import assay.model.ModelConfig;
import assay.model.WeightSource;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Measures the cells of a plan, model by model. */
final class PlannedRun {
  private final Measuring measuring;
  private final Map<String, List<MeasuringJob>> byModel = new LinkedHashMap<>();
  private final long seed;

  /**
   * Sorts the cells by model and refuses, before anything is measured, models that are not there
   * and cells that this device can never run.
   *
   * @throws assay.model.UserError naming the first of them
   */
  PlannedRun(Measuring measuring, List<RunPlan.Cell> cells, long seed) {
    this.measuring = measuring;
    this.seed = seed;
    for (RunPlan.Cell c : cells) {
      byModel
          .computeIfAbsent(c.model(), m -> new ArrayList<>())
          .add(MeasuringJob.of(c.precision(), c.workload()));
    }
    byModel.forEach(
        (model, jobs) -> {
          ModelConfig config = ModelArgument.of(model).config();
          measuring.expectRunnable(config, jobs);
        });
  }

  /**
   * Measures.
   *
   * @return the worst of the models' exit codes; an interruption ends it
   */
  int measure() {
    int worst = ExitCode.DONE;
    for (Map.Entry<String, List<MeasuringJob>> e : byModel.entrySet()) {
      try (WeightSource weights = ModelArgument.of(e.getKey()).weights(seed)) {
        int code = measuring.measureThese(weights, e.getValue());
        worst = Math.max(worst, code);
        if (code == ExitCode.INTERRUPTED) {
          break;
        }
      }
    }
    return worst;
  }
}
