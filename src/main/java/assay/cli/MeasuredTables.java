package assay.cli;

import assay.results.DeviceReadings;
import assay.results.Measurement;
import assay.results.Prediction;
import assay.results.ResultRow;
import assay.results.Times;
import assay.results.Utilization;
import assay.units.Bytes;
import assay.units.Quantity;
import assay.units.Seconds;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Predicted against measured on a terminal. */
final class MeasuredTables {
  private static final String NONE = "–";

  private final PrintWriter out;
  private final List<ResultRow> rows;
  private final boolean several;
  private final boolean severalModels;

  MeasuredTables(PrintWriter out, List<ResultRow> rows) {
    this.out = out;
    this.rows = rows.stream().filter(r -> r.measured() != null).toList();
    this.several = rows.stream().map(MeasuredTables::workload).distinct().count() > 1;
    this.severalModels = rows.stream().map(r -> r.model().name()).distinct().count() > 1;
  }

  /** Memory, work, time, then what to know about them. */
  void print(List<ResultRow> all) {
    if (!rows.isEmpty()) {
      memory();
      work();
      time();
      device();
    }
    warnings(all);
    out.flush();
  }

  /** Which row this is: the precision; workload and model where there are several. */
  private String name(ResultRow r) {
    String own = several ? r.precision() + " " + workload(r) : r.precision();
    return severalModels ? r.model().name() + " " + own : own;
  }

  private static String workload(ResultRow r) {
    return "b%d p%d".formatted(r.workload().batch(), r.workload().promptTokens());
  }

  private void memory() {
    out.println();
    out.println("Memory: the rule N × bytes, predicted, allocated");
    TextTable t =
        new TextTable(
            1,
            "",
            "weights: rule",
            "predicted",
            "allocated",
            "KV cache",
            "activations",
            "workspace",
            "total: predicted",
            "allocated",
            "difference");
    for (ResultRow r : rows) {
      t.add(
          name(r),
          bytes(r.rules() == null ? null : r.rules().weightsBytes()),
          bytes(predicted(r, Prediction::weightsBytes)),
          bytes(measured(r, Measurement::weightsBytes)),
          pair(predicted(r, Prediction::kvCacheBytes), measured(r, Measurement::kvCacheBytes)),
          pair(
              predicted(r, Prediction::activationsBytes),
              measured(r, Measurement::activationsBytes)),
          pair(predicted(r, Prediction::workspaceBytes), measured(r, Measurement::workspaceBytes)),
          bytes(predicted(r, Prediction::totalBytes)),
          bytes(measured(r, Measurement::totalBytes)),
          difference(predicted(r, Prediction::totalBytes), measured(r, Measurement::totalBytes)));
    }
    t.print(out, "  ");
  }

  /** What a device with memory and clocks of its own said of itself. */
  private void device() {
    List<ResultRow> told =
        rows.stream().filter(r -> r.measured() != null && r.measured().device() != null).toList();
    if (told.isEmpty()) {
      return;
    }
    out.println();
    out.println(
        "Device: its memory by the driver's books; while it was timed; decode and its graph");
    TextTable t =
        new TextTable(
            1,
            "",
            "allocated",
            "context",
            "unexplained",
            "SM MHz",
            "memory MHz",
            "W",
            "°C",
            "a kernel ran",
            "decode with graph",
            "without");
    for (ResultRow r : told) {
      DeviceReadings d = java.util.Objects.requireNonNull(measured(r, Measurement::device));
      t.add(
          name(r),
          bytes(d.allocatedBytes()),
          bytes(d.contextBytes()),
          bytes(d.unexplainedBytes()),
          range(d.smClockMhz()),
          range(d.memoryClockMhz()),
          range(d.powerWatts()),
          range(d.temperatureCelsius()),
          d.busyFraction() == null ? NONE : "%.0f %%".formatted(100 * d.busyFraction()),
          median(measured(r, Measurement::decodeSecondsPerToken)),
          median(d.decodeWithoutGraphSeconds()));
    }
    t.print(out, "  ");
  }

  private static String range(DeviceReadings.@Nullable Range r) {
    return r == null ? NONE : "%.0f (%.0f–%.0f)".formatted(r.median(), r.min(), r.max());
  }

  private void work() {
    out.println();
    out.println("FLOPs: the rule 2N, predicted operation by operation, counted while it ran");
    TextTable t =
        new TextTable(
            1,
            "",
            "prefill: 2N",
            "predicted",
            "counted",
            "difference",
            "decode per token: 2N",
            "predicted",
            "counted",
            "difference");
    for (ResultRow r : rows) {
      t.add(
          name(r),
          count(r.rules() == null ? null : r.rules().prefillFlops()),
          count(predicted(r, Prediction::prefillFlops)),
          count(measured(r, Measurement::prefillFlops)),
          difference(
              predicted(r, Prediction::prefillFlops), measured(r, Measurement::prefillFlops)),
          count(r.rules() == null ? null : r.rules().decodeFlopsPerToken()),
          count(predicted(r, Prediction::decodeFlopsPerToken)),
          count(measured(r, Measurement::decodeFlopsPerToken)),
          difference(
              predicted(r, Prediction::decodeFlopsPerToken),
              measured(r, Measurement::decodeFlopsPerToken)));
    }
    t.print(out, "  ");
  }

  private void time() {
    out.println();
    out.println(
        "Time: medians with the range of all runs; MFU against the rule 0.30–0.55 of claim C5");
    boolean calibrated = rows.stream().anyMatch(r -> r.calibrated() != null);
    List<String> header = new ArrayList<>(List.of("", "", "predicted", "measured", "range"));
    header.add("difference");
    if (calibrated) {
      header.addAll(List.of("calibrated", "difference"));
    }
    header.addAll(List.of("tokens/s", "FLOP/s", "MFU"));
    // Elsewhere the peak is the product measured here, and both are the same.
    boolean datasheet =
        rows.stream()
            .anyMatch(r -> r.ceilings() != null && "datasheet".equals(r.ceilings().peakSource()));
    if (datasheet) {
      header.add("of its own GEMM");
    }
    header.addAll(List.of("rule", "bytes/s", "MBU"));
    TextTable t = new TextTable(2, header.toArray(String[]::new));
    for (ResultRow r : rows) {
      Measurement m = r.measured();
      Utilization u = r.utilization();
      if (m == null || u == null) {
        continue;
      }
      Function<Prediction, @Nullable Double> prefill = Prediction::prefillSeconds;
      List<String> cells = new ArrayList<>(List.of(name(r), "prefill"));
      addTimes(cells, r, calibrated, prefill, m.prefillSeconds());
      cells.add(number(m.prefillTokensPerSecond()));
      cells.add(rate(m.prefillFlopsPerSecond()));
      cells.add(ratio(u.prefillMfu()));
      if (datasheet) {
        cells.add(ratio(u.prefillGemmShare()));
      }
      cells.add(verdict(u.prefillVerdict()));
      t.add(cells.toArray(String[]::new));
      if (m.decodeSecondsPerToken() != null) {
        cells = new ArrayList<>(List.of("", "decode"));
        addTimes(
            cells, r, calibrated, Prediction::decodeSecondsPerToken, m.decodeSecondsPerToken());
        cells.add(number(m.decodeTokensPerSecond()));
        cells.add(rate(m.decodeFlopsPerSecond()));
        cells.add(ratio(u.decodeMfu()));
        if (datasheet) {
          cells.add(ratio(u.decodeGemmShare()));
        }
        cells.add(verdict(u.decodeVerdict()));
        cells.add(rate(m.decodeBytesPerSecond()));
        cells.add(ratio(u.decodeMbu()));
        t.add(cells.toArray(String[]::new));
      }
    }
    t.print(out, "  ");
  }

  private static void addTimes(
      List<String> cells,
      ResultRow r,
      boolean calibrated,
      Function<Prediction, @Nullable Double> of,
      @Nullable Times measured) {
    Double predicted = predicted(r, of);
    cells.add(seconds(predicted));
    cells.add(median(measured));
    cells.add(range(measured));
    cells.add(difference(predicted, medianOf(measured)));
    if (calibrated) {
      Double second = r.calibrated() == null ? null : of.apply(r.calibrated());
      cells.add(seconds(second));
      cells.add(difference(second, medianOf(measured)));
    }
  }

  private void warnings(List<ResultRow> all) {
    boolean any = false;
    for (ResultRow r : all) {
      for (String w : r.warnings() == null ? List.<String>of() : r.warnings()) {
        if (!any) {
          out.println();
          out.println("Beware");
          any = true;
        }
        out.printf("  %s: %s%n", name(r), w);
      }
    }
  }

  // ---- cells

  private static <T> @Nullable T predicted(ResultRow r, Function<Prediction, @Nullable T> f) {
    return r.estimate() == null ? null : f.apply(r.estimate());
  }

  private static <T> @Nullable T measured(ResultRow r, Function<Measurement, @Nullable T> f) {
    return r.measured() == null ? null : f.apply(r.measured());
  }

  private static String bytes(@Nullable Long b) {
    return b == null ? NONE : Bytes.format(b);
  }

  /** One figure where both agree to the byte, else both. */
  private static String pair(@Nullable Long predicted, @Nullable Long measured) {
    if (predicted != null && predicted.equals(measured)) {
      return bytes(measured);
    }
    return bytes(measured) + " (for " + bytes(predicted) + ")";
  }

  private static String count(@Nullable Long flops) {
    return flops == null ? NONE : Quantity.format((double) flops, "");
  }

  private static String rate(@Nullable Double perSecond) {
    return perSecond == null ? NONE : Quantity.format(perSecond, "");
  }

  private static String number(@Nullable Double value) {
    return value == null ? NONE : Quantity.digits(value);
  }

  private static String seconds(@Nullable Double s) {
    return s == null ? NONE : Seconds.format(s);
  }

  private static String median(@Nullable Times t) {
    return t == null ? NONE : Seconds.format(t.median());
  }

  private static @Nullable Double medianOf(@Nullable Times t) {
    return t == null ? null : t.median();
  }

  private static String range(@Nullable Times t) {
    return t == null
        ? NONE
        : "−%.0f +%.0f %%, %d runs"
            .formatted(
                100 * (1 - t.min() / t.median()), 100 * (t.max() / t.median() - 1), t.runs());
  }

  private static String ratio(@Nullable Double r) {
    return r == null ? NONE : "%.2f".formatted(r);
  }

  private static String verdict(Utilization.@Nullable Verdict v) {
    return v == null ? NONE : v.label();
  }

  /** How far the measured lies from the predicted, as a share of the measured. */
  private static String difference(@Nullable Number predicted, @Nullable Number measured) {
    if (predicted == null || measured == null) {
      return NONE;
    }
    if (predicted.equals(measured)) {
      return "0";
    }
    double share = predicted.doubleValue() / measured.doubleValue() - 1;
    return "%+.1f %%".formatted(100 * share);
  }
}
