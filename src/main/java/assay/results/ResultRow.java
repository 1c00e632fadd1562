package assay.results;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One line of {@code results.jsonl}: one model at one precision under one workload on one device.
 *
 * @param schema {@link #SCHEMA}
 * @param id unique to this row
 * @param time when it was measured, ISO 8601 in UTC
 * @param environment the machine and the program
 * @param model the model's shape
 * @param precision fp32, tf32, fp16, bf16, fp8, int8 or int4
 * @param workload what was asked of it
 * @param rules what the plain rules of thumb say
 * @param estimate what the estimator says, written before anything was measured
 * @param calibrated the same with constants that were fitted to earlier results, or null
 * @param valid false when the check against the reference failed; then nothing is measured
 * @param check the comparison with the reference before timing
 * @param measured what was measured
 * @param ceilings the most that the device can do
 * @param utilization measured over ceilings
 * @param operations times of single operations, from a pass of its own
 * @param samples the raw samples behind the medians
 * @param arithmetic in words, what matrix products of prefill and decode really computed in
 * @param warnings what a reader of these numbers should know first
 * @param command the command that repeats it
 */
public record ResultRow(
    int schema,
    String id,
    String time,
    Environment environment,
    ModelFacts model,
    String precision,
    WorkloadFacts workload,
    @Nullable Rules rules,
    @Nullable Prediction estimate,
    @Nullable Prediction calibrated,
    @Nullable Boolean valid,
    @Nullable Check check,
    @Nullable Measurement measured,
    @Nullable Ceilings ceilings,
    @Nullable Utilization utilization,
    @Nullable List<OperationTime> operations,
    @Nullable Samples samples,
    @Nullable Arithmetic arithmetic,
    @Nullable List<String> warnings,
    @Nullable String command) {

  /** The version of this format. */
  public static final int SCHEMA = 1;

  /** Checks that the parts every row has are there. */
  public ResultRow {
    Numbers.present("id", id);
    Numbers.present("time", time);
    Numbers.present("environment", environment);
    Numbers.present("model", model);
    Numbers.present("precision", precision);
    Numbers.present("workload", workload);
    operations = operations == null ? null : List.copyOf(operations);
    warnings = warnings == null ? null : List.copyOf(warnings);
  }

  /** The same row with what was measured. */
  public ResultRow withMeasured(
      @Nullable Boolean valid,
      @Nullable Check check,
      @Nullable Measurement measured,
      @Nullable Ceilings ceilings,
      @Nullable Utilization utilization,
      @Nullable List<OperationTime> operations,
      @Nullable Samples samples,
      List<String> warnings) {
    return new ResultRow(
        schema,
        id,
        time,
        environment,
        model,
        precision,
        workload,
        rules,
        estimate,
        calibrated,
        valid,
        check,
        measured,
        ceilings,
        utilization,
        operations,
        samples,
        arithmetic,
        warnings,
        command);
  }

  /** The same row with what fitted constants predict. */
  public ResultRow withCalibrated(Prediction prediction) {
    return new ResultRow(
        schema,
        id,
        time,
        environment,
        model,
        precision,
        workload,
        rules,
        estimate,
        prediction,
        valid,
        check,
        measured,
        ceilings,
        utilization,
        operations,
        samples,
        arithmetic,
        warnings,
        command);
  }

  /** What matrix products really computed in, which the precision's name does not say. */
  public record Arithmetic(String prefill, String decode) {}

  /**
   * The plain rules of the sources.
   *
   * @param weightsBytes N × bytes of an element without scales (claims M1–M3)
   * @param prefillFlops 2·N per token (claim C1)
   * @param decodeFlopsPerToken 2·N (claim C1)
   */
  public record Rules(
      @Nullable Long weightsBytes,
      @Nullable Long prefillFlops,
      @Nullable Long decodeFlopsPerToken) {
    /** Checks the counts. */
    public Rules {
      Numbers.count("weights_bytes", weightsBytes);
      Numbers.count("prefill_flops", prefillFlops);
      Numbers.count("decode_flops_per_token", decodeFlopsPerToken);
    }
  }
}
