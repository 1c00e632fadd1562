package assay.calibrate;

import assay.cost.CostModel;
import assay.cost.MemoryCost;
import assay.cost.MemoryKind;
import assay.cost.PassCost;
import assay.cost.PhaseCost;
import assay.cost.SessionSize;
import assay.estimate.DeviceKind;
import assay.estimate.Roofline;
import assay.estimate.Scratch;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.Workload;
import assay.results.Measurement;
import assay.results.ResultRow;
import assay.results.Samples;
import java.util.LinkedHashMap;
import java.util.List;
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
 * @param memory predicted bytes
 * @param pace of the host meanwhile
 */
record Observation(
    ResultRow row,
    String shape,
    Precision precision,
    PhaseCost prefill,
    @Nullable PassCost decode,
    MemoryCost memory,
    HostPace pace) {
  /** Scatter of runs, as a share of their median, at which squares count half. */
  private static final double SCATTER = 0.05;

  /** Scatter from which on a row is not used. */
  private static final double TOO_SCATTERED = 0.2;

  static final String WORKSPACE = "workspace";
  static final String OVERHEAD = "overhead";
  static final String TOTAL = "total";

  /** The row with its counts; null where the row is not valid or its shape cannot be told. */
  static @Nullable Observation of(ResultRow row, DeviceKind kind, HostPace pace) {
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
        MemoryCost.of(c, size, Scratch.bytes(kind, c, size, threads(row))),
        pace);
  }

  /** Seconds of the prefill by a roofline of the usual pace. */
  double prefillSeconds(Roofline usual) {
    return at(usual).seconds(prefill);
  }

  /** Seconds of the decode step in the middle; NaN when no step was made. */
  double decodeSeconds(Roofline usual) {
    return decode == null ? Double.NaN : at(usual).seconds(decode);
  }

  private Roofline at(Roofline usual) {
    return pace.equals(HostPace.USUAL) ? usual : usual.at(pace.arithmetic(), pace.memory());
  }

  private static int threads(ResultRow row) {
    Integer threads = row.environment().threads();
    return threads == null ? 1 : threads;
  }

  /** 1 for a prefill whose runs agree, less the more they were scattered. */
  double prefillCertainty() {
    Samples s = row.samples();
    return certainty(s == null ? null : s.prefillSeconds());
  }

  /** The same for decode. */
  double decodeCertainty() {
    Samples s = row.samples();
    return certainty(s == null ? null : s.decodeSecondsPerToken());
  }

  private static double certainty(@Nullable List<Double> samples) {
    return 1 / Math.sqrt(1 + Math.pow(spread(samples) / SCATTER, 2));
  }

  /** True when half of the runs of a phase lie so far apart that their median says little. */
  boolean isScattered() {
    Samples s = row.samples();
    return s != null
        && (spread(s.prefillSeconds()) > TOO_SCATTERED
            || spread(s.decodeSecondsPerToken()) > TOO_SCATTERED);
  }

  /** The distance of the quartiles over the median: single outliers are what medians are for. */
  private static double spread(@Nullable List<Double> samples) {
    if (samples == null || samples.size() < 4) {
      return 0;
    }
    List<Double> sorted = samples.stream().sorted().toList();
    int n = sorted.size();
    return (sorted.get(n * 3 / 4) - sorted.get(n / 4)) / sorted.get(n / 2);
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
   * Predicted minus measured bytes by category and in all, without any fitted constant; absent
   * where not measured. The padding between buffers is predicted as overhead.
   */
  Map<String, Long> memoryErrors() {
    Map<String, Long> out = new LinkedHashMap<>();
    Measurement m = row.measured();
    if (m != null) {
      put(out, "weights", memory.bytes(MemoryKind.WEIGHTS), m.weightsBytes());
      put(out, "kv_cache", memory.bytes(MemoryKind.KV_CACHE), m.kvCacheBytes());
      put(out, "activations", memory.bytes(MemoryKind.ACTIVATIONS), m.activationsBytes());
      put(out, WORKSPACE, memory.bytes(MemoryKind.WORKSPACE), m.workspaceBytes());
      long padding = memory.totalReservedBytes() - memory.totalBytes();
      put(out, OVERHEAD, padding, m.overheadBytes());
      put(out, TOTAL, memory.totalReservedBytes(), m.totalBytes());
    }
    return out;
  }

  private static void put(
      Map<String, Long> out, String name, long predicted, @Nullable Long measured) {
    if (measured != null) {
      out.put(name, predicted - measured);
    }
  }
}
