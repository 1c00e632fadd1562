package assay.measure;

import assay.backend.BackendInfo;
import assay.cost.MemoryKind;
import assay.estimate.Device;
import assay.estimate.DeviceKind;
import assay.estimate.DeviceTable;
import assay.estimate.InferenceEstimate;
import assay.estimate.Rate;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.Workload;
import assay.results.Ceilings;
import assay.results.Prediction;
import assay.results.ResultRow;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Lets the estimator speak about the device at hand and writes what it says into a row. What it is
 * told of the device are ceilings alone, never anything of the model that is then measured.
 */
public final class Predictions {
  private Predictions() {}

  /** The kind of device that the estimator knows a back end as. */
  public static DeviceKind kindOf(BackendInfo info) {
    for (DeviceKind kind : DeviceKind.values()) {
      if (kind.label().equals(info.kind())) {
        return kind;
      }
    }
    throw new IllegalStateException("the estimator knows no device of kind " + info.kind());
  }

  /** The card's own datasheet figures, where it is in the table; null on a CPU. */
  public static @Nullable Device datasheet(BackendInfo info, DeviceTable table) {
    return kindOf(info) == DeviceKind.CUDA ? table.ofDriverName(info.name()) : null;
  }

  /**
   * The device at hand: datasheet figures where there are any, else its measured ceilings.
   *
   * @param ceilings by precision; fp32 among them, since attention computes in it on a CPU
   */
  public static Device device(
      BackendInfo info,
      long memoryBytes,
      Map<Precision, Ceilings> ceilings,
      @Nullable Device datasheet) {
    Map<Precision, Rate> peaks = new EnumMap<>(Precision.class);
    Rate bandwidth = null;
    Device.Cache cache = null;
    for (Map.Entry<Precision, Ceilings> e : ceilings.entrySet()) {
      Ceilings c = e.getValue();
      if (c.gemmFlopsPerSecond() != null) {
        peaks.put(
            e.getKey(),
            new Rate(c.gemmFlopsPerSecond(), "measured: product " + c.gemmShape(), false));
      }
      if (c.copyBytesPerSecond() != null) {
        bandwidth = new Rate(c.copyBytesPerSecond(), "measured: " + c.copyKind(), false);
      }
      if (c.cacheBytes() != null && c.cacheBytesPerSecond() != null) {
        cache =
            new Device.Cache(
                c.cacheBytes(),
                new Rate(c.cacheBytesPerSecond(), "measured: " + c.copyKind(), false));
      }
    }
    if (datasheet != null) {
      peaks.putAll(datasheet.peaks());
      bandwidth = datasheet.bandwidth() == null ? bandwidth : datasheet.bandwidth();
    }
    return new Device(
        info.name(),
        kindOf(info),
        datasheet == null ? "" : datasheet.architecture(),
        memoryBytes,
        bandwidth,
        cache,
        peaks,
        datasheet == null ? null : datasheet.tdpWatts(),
        List.of());
  }

  /** An estimate as a row holds it. */
  public static Prediction of(InferenceEstimate e) {
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
        e.constants().isCalibrated() ? e.constants().name() : null);
  }

  /** What the sources' rules say: N × bytes of an element, 2·N FLOPs per token. */
  public static ResultRow.Rules rules(ModelConfig c, Precision p, Workload w) {
    long n = c.parameters();
    long tokens = Math.multiplyExact((long) w.batch(), w.promptTokens());
    long perToken = Math.multiplyExact(2L, n);
    return new ResultRow.Rules(
        Math.round(n * elementBytes(p)),
        Math.multiplyExact(perToken, tokens),
        w.decodePasses() > 0 ? perToken : null);
  }

  /** Bytes of one element as the rules count them: no scales, no padding. */
  static double elementBytes(Precision p) {
    return switch (p) {
      case FP32, TF32 -> 4;
      case FP16, BF16 -> 2;
      case FP8, INT8 -> 1;
      case INT4 -> 0.5;
    };
  }
}
