package assay.calibrate;

import assay.cost.MemoryKind;
import assay.estimate.DeviceKind;
import assay.estimate.Estimator;
import assay.estimate.InferenceEstimate;
import assay.estimate.InferenceRequest;
import assay.estimate.Scratch;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.Workload;
import assay.results.Prediction;
import assay.results.ResultRow;
import java.util.List;

/**
 * What a calibration says of stored rows, beside what was predicted when they were measured. Rows
 * that the constants were fitted to are flattered; {@link Calibration#errors} are not.
 */
public final class Recalibration {
  private Recalibration() {}

  /**
   * The rows, those of the calibration's device with its prediction; rows that have one already, of
   * another device or of a shape that cannot be told stay as they are.
   */
  public static List<ResultRow> of(Calibration k, List<ResultRow> rows) {
    return rows.stream().map(r -> of(k, r)).toList();
  }

  private static ResultRow of(Calibration k, ResultRow row) {
    DeviceKind kind = k.device().kind();
    boolean own =
        row.environment().name().equals(k.device().name())
            && row.environment().device().equals(kind.label());
    ModelConfig c = Shapes.of(row.model());
    if (!own || c == null || row.calibrated() != null) {
      return row;
    }
    Workload w =
        new Workload(
            row.workload().batch(),
            row.workload().promptTokens(),
            row.workload().generatedTokens());
    InferenceRequest r = InferenceRequest.of(c, Precision.of(row.precision()), w, kind);
    Integer threads = row.environment().threads();
    r = r.withScratch(Scratch.bytes(kind, c, r.size(), threads == null ? 1 : threads));
    return row.withCalibrated(
        prediction(Estimator.inference(r, k.device(), k.onTopOfDefaults()), k.name()));
  }

  private static Prediction prediction(InferenceEstimate e, String name) {
    return new Prediction(
        e.bytes(MemoryKind.WEIGHTS),
        e.bytes(MemoryKind.KV_CACHE),
        e.bytes(MemoryKind.ACTIVATIONS),
        e.bytes(MemoryKind.WORKSPACE),
        e.overheadBytes(),
        e.totalBytes(),
        e.prefill().flops(),
        e.decodeFlopsPerToken(),
        e.prefillSeconds(),
        e.decodeSecondsPerToken(),
        name);
  }
}
