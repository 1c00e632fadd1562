package assay.measure;

import assay.backend.Backend;
import assay.engine.SessionOptions;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.WeightSource;
import assay.model.Workload;
import assay.results.Environment;
import assay.results.ModelFacts;
import assay.results.Prediction;
import assay.results.ResultRow;
import assay.results.WorkloadFacts;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** Begins a row with everything that is known before anything is measured. */
public final class RowFactory {
  private final Backend device;
  private final Environment environment;
  private final @Nullable String command;

  /**
   * Rows of one device.
   *
   * @param command that repeats them
   */
  public RowFactory(Backend device, @Nullable String command) {
    this.device = device;
    this.environment = Environments.describe(device);
    this.command = command;
  }

  /** What the rows say of the machine. */
  public Environment environment() {
    return environment;
  }

  /**
   * The row of a prediction.
   *
   * @param calibrated the same with fitted constants, or null
   */
  public ResultRow predicted(
      WeightSource weights,
      SessionOptions options,
      Workload workload,
      @Nullable Prediction prediction,
      @Nullable Prediction calibrated,
      List<String> warnings) {
    Precision p = options.precision();
    return new ResultRow(
        ResultRow.SCHEMA,
        UUID.randomUUID().toString(),
        Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
        environment,
        facts(weights.config(), weights.kind()),
        p.label(),
        new WorkloadFacts(
            "inference",
            workload.batch(),
            workload.promptTokens(),
            workload.generatedTokens(),
            options.maxPassTokens(),
            options.kvType().name()),
        Predictions.rules(weights.config(), p, workload),
        prediction,
        calibrated,
        null,
        null,
        null,
        null,
        null,
        null,
        null,
        arithmetic(p, weights.config(), options, workload),
        warnings,
        command);
  }

  private ResultRow.Arithmetic arithmetic(
      Precision p, ModelConfig c, SessionOptions options, Workload w) {
    int pass = Math.min(options.maxPassTokens(), w.promptTokens());
    return new ResultRow.Arithmetic(
        device.arithmetic(p, c, Math.multiplyExact(w.batch(), pass)),
        device.arithmetic(p, c, w.batch()));
  }

  /** The model's shape as rows hold it. */
  public static ModelFacts facts(ModelConfig c, String weights) {
    return new ModelFacts(
        c.name(),
        c.architecture(),
        c.parameters(),
        c.nLayers(),
        c.hiddenSize(),
        c.intermediateSize(),
        c.nHeads(),
        c.nKvHeads(),
        c.headDim(),
        c.vocabSize(),
        weights);
  }
}
