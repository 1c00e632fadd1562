package assay.calibrate;

import assay.cost.CostModel;
import assay.cost.MemoryCost;
import assay.cost.MemoryKind;
import assay.cost.PassCost;
import assay.cost.PhaseCost;
import assay.cost.SessionSize;
import assay.estimate.DeviceKind;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.Workload;
import assay.results.Measurement;
import assay.results.ResultRow;
import java.util.EnumMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One measured row with the exact counts of what it ran.
 *
 * @param row as stored
 * @param shape what is left out together when errors are judged: the model's name
 * @param precision of the row
 * @param prefill counts
 * @param decode counts of the step in the middle, or null when no step was made
 * @param memory predicted bytes, the back end's own scratch left out
 */
record Observation(
    ResultRow row,
    String shape,
    Precision precision,
    PhaseCost prefill,
    @Nullable PassCost decode,
    MemoryCost memory) {

  /** The row with its counts; null where the row is not valid or its shape cannot be told. */
  static @Nullable Observation of(ResultRow row, DeviceKind kind) {
    Measurement m = row.measured();
    ModelConfig c = Shapes.of(row.model());
    if (m == null || c == null || Boolean.FALSE.equals(row.valid())) {
      return null;
    }
    Precision p = Precision.of(row.precision());
    Workload w =
        new Workload(
            row.workload().batch(),
            row.workload().promptTokens(),
            row.workload().generatedTokens());
    SessionSize size = SessionSize.of(p, kind.activationType(p), w);
    Integer pass = row.workload().passTokens();
    if (pass != null) {
      size = size.withPassTokens(pass);
    }
    PassCost decode =
        w.decodePasses() == 0
            ? null
            : CostModel.decode(
                c, size.types(), w.batch(), w.promptTokens() + (w.decodePasses() + 1) / 2);
    return new Observation(
        row,
        row.model().name(),
        p,
        CostModel.prefill(c, size.types(), w.batch(), w.promptTokens(), size.passTokens()),
        decode,
        MemoryCost.of(c, size, 0));
  }

  /** Measured seconds of the prefill, or NaN. */
  double prefillSeconds() {
    Measurement m = row.measured();
    return m == null || m.prefillSeconds() == null ? Double.NaN : m.prefillSeconds().median();
  }

  /** Measured seconds of a decode step, or NaN. */
  double decodeSeconds() {
    Measurement m = row.measured();
    return m == null || decode == null || m.decodeSecondsPerToken() == null
        ? Double.NaN
        : m.decodeSecondsPerToken().median();
  }

  /**
   * Predicted minus measured bytes of the kinds that are exact counts; absent where not measured.
   */
  Map<MemoryKind, Long> memoryErrors() {
    Map<MemoryKind, Long> out = new EnumMap<>(MemoryKind.class);
    Measurement m = row.measured();
    if (m != null) {
      put(out, MemoryKind.WEIGHTS, m.weightsBytes());
      put(out, MemoryKind.KV_CACHE, m.kvCacheBytes());
      put(out, MemoryKind.ACTIVATIONS, m.activationsBytes());
    }
    return out;
  }

  private void put(Map<MemoryKind, Long> out, MemoryKind kind, @Nullable Long measured) {
    if (measured != null) {
      out.put(kind, memory.bytes(kind) - measured);
    }
  }
}
