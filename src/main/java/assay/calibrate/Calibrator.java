package assay.calibrate;

import assay.cost.PassCost;
import assay.estimate.Constant;
import assay.estimate.Constants;
import assay.estimate.Device;
import assay.estimate.DeviceKind;
import assay.estimate.Rate;
import assay.estimate.Roofline;
import assay.model.Precision;
import assay.model.UserError;
import assay.results.Ceilings;
import assay.results.Environment;
import assay.results.ResultRow;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/** Rows of one device in, constants with their errors on held-out shapes out. */
public final class Calibrator {
  /** Constants per precision; a precision with fewer rows is not fitted. */
  private static final int FEWEST_ROWS = 5;

  private final Device device;
  private final Constants defaults;
  private final Map<Precision, List<Observation>> rows;
  private final Set<String> holdout;
  private final List<Constant> constants = new ArrayList<>();
  private final List<String> open = new ArrayList<>();
  private final List<Calibration.HeldOut> errors = new ArrayList<>();

  private Calibrator(Device device, Map<Precision, List<Observation>> rows, Set<String> holdout) {
    this.device = device;
    this.defaults = Constants.defaults(device.kind());
    this.rows = rows;
    this.holdout = holdout;
  }

  /**
   * Calibrates.
   *
   * @param holdout models whose rows are judged and not fitted; empty to leave out each in turn
   * @throws UserError when the rows are of several devices, or too few
   */
  public static Calibration calibrate(List<ResultRow> all, Set<String> holdout) {
    Environment environment = oneDevice(all);
    DeviceKind kind = environment.device().equals("cuda") ? DeviceKind.CUDA : DeviceKind.CPU;
    List<String> notes = new ArrayList<>();
    Map<Precision, List<Observation>> rows = new EnumMap<>(Precision.class);
    for (ResultRow r : all) {
      Observation o = Observation.of(r, kind);
      if (o == null) {
        notes.add("%s %s: not used".formatted(r.model().name(), r.precision()));
      } else {
        rows.computeIfAbsent(o.precision(), key -> new ArrayList<>()).add(o);
      }
    }
    Device device = device(environment, kind, rows);
    Calibrator c = new Calibrator(device, rows, holdout);
    c.fit(notes);
    if (c.constants.isEmpty()) {
      throw new UserError(
          "too few rows to calibrate: expected at least %d of one precision, found %d in all"
              .formatted(FEWEST_ROWS, all.size()));
    }
    return c.result(environment, all, notes);
  }

  private static Environment oneDevice(List<ResultRow> all) {
    if (all.isEmpty()) {
      throw new UserError("no usable rows: nothing to calibrate from");
    }
    if (all.stream().anyMatch(r -> r.environment().isStandIn())) {
      throw new UserError(
          "rows of a stand-in for tests: expected rows of a real device; a stand-in's times mean"
              + " nothing");
    }
    Set<String> names = new LinkedHashSet<>();
    all.forEach(r -> names.add(r.environment().name()));
    if (names.size() > 1) {
      throw new UserError(
          "rows of several devices (%s): expected one device in a calibration"
              .formatted(String.join(", ", names)));
    }
    return all.getLast().environment();
  }

  /** Peaks and bandwidth are the medians of what the rows measured as ceilings. */
  private static Device device(
      Environment e, DeviceKind kind, Map<Precision, List<Observation>> rows) {
    Map<Precision, Rate> peaks = new EnumMap<>(Precision.class);
    rows.forEach(
        (p, list) -> {
          double peak = median(list, Ceilings::peakFlopsPerSecond);
          if (peak > 0) {
            peaks.put(kind.matmulArithmetic(p), new Rate(peak, "ceilings of the rows", false));
          }
        });
    rows.keySet()
        .forEach(
            p -> {
              Rate own = peaks.get(kind.matmulArithmetic(p));
              if (own != null) {
                peaks.putIfAbsent(kind.attentionArithmetic(p), own);
              }
            });
    List<Observation> all = rows.values().stream().flatMap(List::stream).toList();
    double bandwidth = median(all, Ceilings::bandwidthBytesPerSecond);
    if (!(bandwidth > 0)) {
      bandwidth = median(all, Ceilings::copyBytesPerSecond);
    }
    if (peaks.isEmpty() || !(bandwidth > 0)) {
      throw new UserError("the rows hold no ceilings: measure them with assay run or assay bench");
    }
    return new Device(
        e.name(),
        kind,
        "",
        e.deviceMemoryBytes(),
        new Rate(bandwidth, "ceilings of the rows", false),
        null,
        peaks,
        null,
        List.of());
  }

  private static double median(
      List<Observation> rows, java.util.function.Function<Ceilings, @Nullable Double> of) {
    List<Double> values = new ArrayList<>();
    for (Observation o : rows) {
      Ceilings c = o.row().ceilings();
      Double v = c == null ? null : of.apply(c);
      if (v != null) {
        values.add(v);
      }
    }
    values.sort(Comparator.naturalOrder());
    return values.isEmpty() ? Double.NaN : values.get(values.size() / 2);
  }

  private void fit(List<String> notes) {
    rows.forEach(
        (p, list) -> {
          List<Observation> fitted =
              list.stream().filter(o -> !holdout.contains(o.shape())).toList();
          if (fitted.size() < FEWEST_ROWS || Roofline.of(device, p, defaults) == null) {
            notes.add(
                "%s: %d rows are fewer than the %d that a fit needs; defaults are kept"
                    .formatted(p.label(), fitted.size(), FEWEST_ROWS));
            return;
          }
          Fit.Result r = Fit.of(device, defaults, p, fitted);
          constants.addAll(r.fitted());
          r.open().forEach(c -> open.add(Constant.key(c, p.label())));
          judge(p, list);
        });
  }

  /** Leaves out one shape after the other (or the given ones) and predicts it from the rest. */
  private void judge(Precision p, List<Observation> list) {
    Set<String> shapes = new LinkedHashSet<>();
    list.forEach(o -> shapes.add(o.shape()));
    if (!holdout.isEmpty()) {
      shapes.retainAll(holdout);
    }
    Map<Observation, Constants> fitted = new LinkedHashMap<>();
    for (String shape : shapes) {
      List<Observation> rest =
          list.stream()
              .filter(o -> !o.shape().equals(shape) && !holdout.contains(o.shape()))
              .toList();
      if (rest.size() >= FEWEST_ROWS) {
        Constants k = defaults.with("held out", Fit.of(device, defaults, p, rest).fitted());
        list.stream().filter(o -> o.shape().equals(shape)).forEach(o -> fitted.put(o, k));
      }
    }
    error(p, "prefill", shapes.size(), list, fitted, Observation::prefillSeconds);
    error(p, "decode", shapes.size(), list, fitted, Observation::decodeSeconds);
  }

  private void error(
      Precision p,
      String component,
      int shapes,
      List<Observation> list,
      Map<Observation, Constants> fitted,
      ToDoubleFunction<Observation> measured) {
    List<Observation> judged =
        (fitted.isEmpty() ? list : List.copyOf(fitted.keySet()))
            .stream().filter(o -> !Double.isNaN(measured.applyAsDouble(o))).toList();
    if (judged.isEmpty()) {
      return;
    }
    double before =
        mean(judged, o -> relative(p, component, o, defaults, measured.applyAsDouble(o)));
    Double after =
        fitted.isEmpty()
            ? null
            : Double.valueOf(
                mean(
                    judged,
                    o ->
                        relative(
                            p,
                            component,
                            o,
                            fitted.getOrDefault(o, defaults),
                            measured.applyAsDouble(o))));
    errors.add(new Calibration.HeldOut(p.label(), component, shapes, judged.size(), before, after));
  }

  private static double mean(List<Observation> rows, ToDoubleFunction<Observation> f) {
    return rows.stream().mapToDouble(f).average().orElse(Double.NaN);
  }

  private double relative(
      Precision p, String component, Observation o, Constants k, double measured) {
    Roofline r = Roofline.of(device, p, k);
    if (r == null) {
      return Double.NaN;
    }
    PassCost decode = o.decode();
    double predicted =
        decode == null || component.equals("prefill") ? r.seconds(o.prefill()) : r.seconds(decode);
    return Math.abs(predicted / measured - 1);
  }

  private Calibration result(Environment e, List<ResultRow> all, List<String> notes) {
    Map<String, Double> replaced = new TreeMap<>();
    constants.forEach(
        c -> replaced.put(c.key(), defaults.value(c.coefficient(), Precision.of(c.scope()))));
    Map<String, Integer> points = new TreeMap<>();
    Map<String, Long> memory = new TreeMap<>();
    rows.forEach(
        (p, list) -> {
          points.put(p.label(), list.size());
          for (Observation o : list) {
            o.memoryErrors().forEach((k, v) -> memory.merge(k.label(), Math.abs(v), Math::max));
          }
        });
    String date = all.stream().map(ResultRow::time).max(Comparator.naturalOrder()).orElse("");
    return new Calibration(
        "calibration of %s, %s".formatted(e.name(), date),
        e.host() == null ? "unknown" : e.host(),
        e.driver(),
        date,
        e.assay() == null ? "unknown" : e.assay(),
        device,
        List.copyOf(constants),
        replaced,
        List.copyOf(open),
        points,
        List.copyOf(errors),
        memory,
        List.copyOf(notes));
  }
}
