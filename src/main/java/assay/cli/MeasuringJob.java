package assay.cli;

import assay.engine.SessionOptions;
import assay.measure.InferenceMeter;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.Workload;
import assay.results.ResultRow;

/** One row to be: a precision under a workload. */
record MeasuringJob(WeightTypes types, Workload workload) {
  /** A job that stores every matrix in the precision's own type. */
  static MeasuringJob of(Precision precision, Workload workload) {
    return new MeasuringJob(new WeightTypes(precision, false), workload);
  }

  SessionOptions session() {
    return types.apply(InferenceMeter.sessionFor(types.precision(), workload));
  }

  Precision precision() {
    return types.precision();
  }

  /** True when the row is this job done: measured, or found wrong by the check. */
  boolean isDoneBy(ResultRow row, ModelConfig c) {
    return row.valid() != null
        && row.model().name().equals(c.name())
        && (row.model().parameters() == null || row.model().parameters() == c.parameters())
        && row.precision().equals(precision().label())
        && row.workload().batch() == workload.batch()
        && row.workload().promptTokens() == workload.promptTokens()
        && row.workload().generatedTokens() == workload.generatedTokens();
  }

  /** In words, for messages. */
  String describe(ModelConfig c) {
    return "%s %s batch %d prompt %d"
        .formatted(c.name(), precision().label(), workload.batch(), workload.promptTokens());
  }
}
