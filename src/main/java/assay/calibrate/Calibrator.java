package assay.calibrate;

import assay.estimate.Coefficient;
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
import assay.results.Utilization;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/** Rows of one device in, constants with their errors on held-out shapes out. */
public final class Calibrator {
  /** Constants per precision; a precision with fewer rows is not fitted. */
  private static final int FEWEST_ROWS = 5;

  /** Share of the processors in other hands from which on a row says little of this program. */
  private static final double DISTURBED = 0.05;

  private static final String SOURCE = "ceilings of the rows";
  private static final String PREFILL = "prefill";
  private static final String DECODE = "decode";

  private final Device device;
  private final Constants defaults;
  private final List<Observation> rows;
  private final Set<String> holdout;
  private final List<Constant> constants = new ArrayList<>();
  private final List<String> open = new ArrayList<>();
  private final List<Calibration.HeldOut> errors = new ArrayList<>();
  private final List<Calibration.HeldOut> replayed = new ArrayList<>();

  private Calibrator(Device device, List<Observation> rows, Set<String> holdout) {
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
    List<Observation> rows = observations(all, kind, notes);
    expectHeldOut(rows, holdout);
    Device device = device(environment, kind, rows, HostPace.Usual.of(all));
    rows = enoughOf(device, rows, holdout, notes);
    if (rows.isEmpty()) {
      throw new UserError(
          "too few rows to calibrate: expected at least %d of one precision, found %d in all"
              .formatted(FEWEST_ROWS, all.size()));
    }
    Repeats.note(rows).ifPresent(notes::add);
    Calibrator c = new Calibrator(device, rows, holdout);
    c.fit();
    return c.result(environment, all, notes);
  }

  /** Rows that were measured undisturbed, and of a shape that can be told. */
  private static List<Observation> observations(
      List<ResultRow> all, DeviceKind kind, List<String> notes) {
    List<Observation> out = new ArrayList<>();
    HostPace.Usual usual = HostPace.Usual.of(all);
    int disturbed = 0;
    int otherPace = 0;
    int scattered = 0;
    for (ResultRow r : all) {
      Observation o = Observation.of(r, kind, HostPace.of(r, usual));
      Utilization u = r.utilization();
      if (o == null) {
        notes.add("%s %s: not used".formatted(r.model().name(), r.precision()));
      } else if (u != null && u.othersBusy() != null && u.othersBusy() > DISTURBED) {
        disturbed++;
      } else if (!o.pace().isUsual()) {
        otherPace++;
      } else if (o.isScattered()) {
        scattered++;
      } else {
        out.add(o);
      }
    }
    if (otherPace > 0) {
      notes.add(
          "%d rows not used: the host's arithmetic or memory ran at another pace than usual meanwhile"
              .formatted(otherPace));
    }
    if (scattered > 0) {
      notes.add("%d rows not used: their runs are too scattered".formatted(scattered));
    }
    if (disturbed > 0) {
      notes.add(
          "%d rows not used: other processes had more than %.0f %% of the processors meanwhile"
              .formatted(disturbed, 100 * DISTURBED));
    }
    return out;
  }

  private static void expectHeldOut(List<Observation> rows, Set<String> holdout) {
    for (String shape : holdout) {
      if (rows.stream().noneMatch(o -> o.shape().equals(shape))) {
        throw new UserError(
            "--holdout %s: no row of it; there are %s"
                .formatted(
                    shape,
                    String.join(", ", rows.stream().map(Observation::shape).distinct().toList())));
      }
    }
  }

  /** Precisions with so many rows that their constants can be fitted. */
  private static List<Observation> enoughOf(
      Device device, List<Observation> rows, Set<String> holdout, List<String> notes) {
    List<Observation> out = new ArrayList<>();
    for (Precision p : Precision.values()) {
      List<Observation> own = rows.stream().filter(o -> o.precision() == p).toList();
      long fitted = own.stream().filter(o -> !holdout.contains(o.shape())).count();
      boolean known = Roofline.of(device, p, Constants.defaults(device.kind())) != null;
      if (fitted >= FEWEST_ROWS && known) {
        out.addAll(own);
      } else if (!own.isEmpty()) {
        notes.add(
            "%s: %d rows are fewer than the %d that a fit needs; defaults are kept"
                .formatted(p.label(), fitted, FEWEST_ROWS));
      }
    }
    return out;
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
      Environment e, DeviceKind kind, List<Observation> rows, HostPace.Usual usual) {
    Map<Precision, Rate> peaks = new EnumMap<>(Precision.class);
    for (Precision p : Precision.values()) {
      double peak =
          median(
              rows.stream().filter(o -> o.precision() == p).toList(), Ceilings::peakFlopsPerSecond);
      if (peak > 0) {
        peaks.put(kind.matmulArithmetic(p), new Rate(peak, SOURCE, false));
      }
    }
    rows.forEach(
        o -> {
          Rate own = peaks.get(kind.matmulArithmetic(o.precision()));
          if (own != null) {
            peaks.putIfAbsent(kind.attentionArithmetic(o.precision()), own);
          }
        });
    double bandwidth = median(rows, Ceilings::bandwidthBytesPerSecond);
    if (!(bandwidth > 0)) {
      bandwidth = usual.bytesPerSecond();
    }
    if (!(bandwidth > 0)) {
      bandwidth = median(rows, Ceilings::copyBytesPerSecond);
    }
    double cacheBytes =
        median(rows, c -> c.cacheBytes() == null ? null : Double.valueOf(c.cacheBytes()));
    double cacheRate = median(rows, Ceilings::cacheBytesPerSecond);
    if (peaks.isEmpty() || !(bandwidth > 0)) {
      throw new UserError("the rows hold no ceilings: measure them with assay run or assay bench");
    }
    return new Device(
        e.name(),
        kind,
        "",
        e.deviceMemoryBytes(),
        new Rate(bandwidth, SOURCE, false),
        cacheBytes > 0 && cacheRate > 0
            ? new Device.Cache((long) cacheBytes, new Rate(cacheRate, SOURCE, false))
            : null,
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

  private void fit() {
    List<Observation> fitted = rows.stream().filter(o -> !holdout.contains(o.shape())).toList();
    Fit.Result r = Fit.of(device, defaults, fitted);
    constants.addAll(r.fitted());
    open.addAll(r.open());
    fixedBytes(Coefficient.WORKSPACE_BYTES, Observation.WORKSPACE, fitted);
    fixedBytes(Coefficient.OVERHEAD_BYTES, Observation.OVERHEAD, fitted);
    judge();
    Map<Observation, Constants> own = new LinkedHashMap<>();
    rows.forEach(o -> own.put(o, defaults.with("fitted", constants)));
    replayed.addAll(errors(device, defaults, rows, own));
  }

  /**
   * Errors of the defaults and of a calibration's constants on rows, without any fit.
   *
   * @throws UserError when the rows are of several devices
   */
  public static List<Calibration.HeldOut> replay(List<ResultRow> all, Calibration c) {
    oneDevice(all);
    List<Observation> rows = observations(all, c.device().kind(), new ArrayList<>());
    Map<Observation, Constants> own = new LinkedHashMap<>();
    rows.forEach(o -> own.put(o, c.onTopOfDefaults()));
    return errors(c.device(), Constants.defaults(c.device().kind()), rows, own);
  }

  /** Bytes beyond what is counted: the median of the rows, whose range is the interval. */
  private void fixedBytes(Coefficient c, String category, List<Observation> fitted) {
    long[] beyond =
        fitted.stream()
            .map(o -> o.memoryErrors().get(category))
            .filter(Objects::nonNull)
            .mapToLong(error -> -error)
            .sorted()
            .toArray();
    if (beyond.length == 0) {
      open.add(c.label());
      return;
    }
    double low = Math.max(0, beyond[0]);
    double high = Math.max(0, beyond[beyond.length - 1]);
    constants.add(
        new Constant(
            c,
            Constant.ALL,
            Math.max(0, beyond[beyond.length / 2]),
            Constant.Origin.CALIBRATED,
            "median of %d rows of %s, their range".formatted(beyond.length, device.name()),
            new Constant.Interval(low, high, 1)));
  }

  /** Leaves out one shape after the other (or the given ones) and predicts it from the rest. */
  private void judge() {
    Set<String> shapes = new LinkedHashSet<>();
    rows.forEach(o -> shapes.add(o.shape()));
    Map<Observation, Constants> fitted = new LinkedHashMap<>();
    if (!holdout.isEmpty()) {
      Constants k = defaults.with("held out", constants);
      rows.stream().filter(o -> holdout.contains(o.shape())).forEach(o -> fitted.put(o, k));
    } else if (shapes.size() > 1) {
      for (String shape : shapes) {
        List<Observation> rest = rows.stream().filter(o -> !o.shape().equals(shape)).toList();
        Constants k = defaults.with("held out", Fit.of(device, defaults, rest).fitted());
        rows.stream().filter(o -> o.shape().equals(shape)).forEach(o -> fitted.put(o, k));
      }
    }
    errors.addAll(errors(device, defaults, rows, fitted));
  }

  /** By precision and component; {@code after} is null where nothing was fitted. */
  private static List<Calibration.HeldOut> errors(
      Device device, Constants before, List<Observation> rows, Map<Observation, Constants> after) {
    List<Calibration.HeldOut> out = new ArrayList<>();
    for (Precision p : Precision.values()) {
      for (String component : List.of(PREFILL, DECODE)) {
        List<Observation> judged =
            rows.stream()
                .filter(o -> o.precision() == p && (after.isEmpty() || after.containsKey(o)))
                .filter(o -> !Double.isNaN(measured(o, component)))
                .toList();
        if (!judged.isEmpty()) {
          int shapes = (int) judged.stream().map(Observation::shape).distinct().count();
          out.add(
              new Calibration.HeldOut(
                  p.label(),
                  component,
                  shapes,
                  judged.size(),
                  mean(judged, o -> relative(device, component, o, before)),
                  after.isEmpty()
                      ? null
                      : Double.valueOf(
                          mean(
                              judged,
                              o ->
                                  relative(device, component, o, after.getOrDefault(o, before))))));
        }
      }
    }
    return out;
  }

  private static double measured(Observation o, String component) {
    return component.equals(PREFILL) ? o.prefillSeconds() : o.decodeSeconds();
  }

  private static double mean(List<Observation> rows, ToDoubleFunction<Observation> f) {
    return rows.stream().mapToDouble(f).average().orElse(Double.NaN);
  }

  private static double relative(Device device, String component, Observation o, Constants k) {
    Roofline r = Roofline.of(device, o.precision(), k);
    if (r == null) {
      return Double.NaN;
    }
    double predicted = component.equals(PREFILL) ? o.prefillSeconds(r) : o.decodeSeconds(r);
    return Math.abs(predicted / measured(o, component) - 1);
  }

  private Calibration result(Environment e, List<ResultRow> all, List<String> notes) {
    Map<String, Double> replaced = new TreeMap<>();
    constants.forEach(
        c ->
            replaced.put(
                c.key(),
                c.scope().equals(Constant.ALL)
                    ? defaults.common(c.coefficient()).value()
                    : defaults.value(c.coefficient(), Precision.of(c.scope()))));
    Map<String, Integer> points = new TreeMap<>();
    Map<String, Long> memory = new LinkedHashMap<>();
    for (Observation o : rows) {
      points.merge(o.precision().label(), 1, Integer::sum);
      o.memoryErrors().forEach((k, v) -> memory.merge(k, Math.abs(v), Math::max));
    }
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
        List.copyOf(replayed),
        memory,
        List.copyOf(notes));
  }
}
