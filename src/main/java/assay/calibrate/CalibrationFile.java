package assay.calibrate;

import assay.estimate.Coefficient;
import assay.estimate.Constant;
import assay.estimate.Device;
import assay.estimate.DeviceKind;
import assay.estimate.Rate;
import assay.model.Precision;
import assay.model.UserError;
import assay.results.ResultJson;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;

/** A calibration as JSON: written by {@code calibrate}, read by {@code --calibration}. */
public final class CalibrationFile {
  private static final int SCHEMA = 1;
  private static final String SOURCE = "ceilings of a calibration";

  private CalibrationFile() {}

  /** The file's layout; every part is checked when it becomes a {@link Calibration}. */
  record Stored(
      int schema,
      String name,
      String host,
      @Nullable String driver,
      String date,
      String assay,
      StoredDevice device,
      List<StoredConstant> constants,
      Map<String, Double> replaced,
      List<String> open,
      Map<String, Integer> points,
      List<Calibration.HeldOut> errors,
      @Nullable List<Calibration.HeldOut> replayed,
      Map<String, Long> largestMemoryErrorBytes,
      List<String> notes) {}

  record StoredDevice(
      String name,
      String kind,
      @Nullable Long memoryBytes,
      double bandwidthBytesPerSecond,
      @Nullable Long cacheBytes,
      @Nullable Double cacheBytesPerSecond,
      Map<String, Double> peakFlopsPerSecond) {}

  record StoredConstant(
      String coefficient,
      String scope,
      double value,
      @Nullable Double low,
      @Nullable Double high,
      String source) {}

  /**
   * Writes it.
   *
   * @throws UserError when the file cannot be written
   */
  public static void write(Calibration c, Path file) {
    try {
      Files.writeString(
          file,
          ResultJson.mapper().writerWithDefaultPrettyPrinter().writeValueAsString(stored(c)) + "\n",
          StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UserError("cannot write %s: %s".formatted(file, e.getMessage()));
    }
  }

  /** What is written, for those who put it into a larger document. */
  public static Object stored(Calibration c) {
    Map<String, Double> peaks = new LinkedHashMap<>();
    new java.util.TreeMap<>(c.device().peaks())
        .forEach((p, r) -> peaks.put(p.label(), r.perSecond()));
    Rate bandwidth = c.device().bandwidth();
    Device.Cache cache = c.device().cache();
    return new Stored(
        SCHEMA,
        c.name(),
        c.host(),
        c.driver(),
        c.date(),
        c.version(),
        new StoredDevice(
            c.device().name(),
            c.device().kind().label(),
            c.device().memoryBytes(),
            bandwidth == null ? 0 : bandwidth.perSecond(),
            cache == null ? null : Long.valueOf(cache.bytes()),
            cache == null ? null : Double.valueOf(cache.bandwidth().perSecond()),
            peaks),
        c.constants().stream().map(CalibrationFile::stored).toList(),
        c.replaced(),
        c.open(),
        c.points(),
        c.errors(),
        c.replayed(),
        c.memoryErrors(),
        c.notes());
  }

  private static StoredConstant stored(Constant k) {
    Constant.Interval i = k.interval();
    return new StoredConstant(
        k.coefficient().label(),
        k.scope(),
        k.value(),
        i == null ? null : Double.valueOf(i.low()),
        i == null ? null : Double.valueOf(i.high()),
        k.source());
  }

  /**
   * Reads it back.
   *
   * @throws UserError when it is not there or is no calibration
   */
  public static Calibration read(Path file) {
    Stored s;
    try {
      s = ResultJson.mapper().readValue(Files.readString(file), Stored.class);
    } catch (NoSuchFileException e) {
      throw new UserError("no such file: " + file);
    } catch (IOException | JacksonException e) {
      throw new UserError(file + " is no calibration file: expected what assay calibrate writes");
    }
    if (s == null || s.schema() != SCHEMA || s.device() == null || s.constants() == null) {
      throw new UserError(
          "%s is no calibration of schema %d: expected what assay calibrate writes"
              .formatted(file, SCHEMA));
    }
    try {
      return calibration(s);
    } catch (IllegalArgumentException | NullPointerException e) {
      throw new UserError(file + " is no calibration file: it names what Assay does not know");
    }
  }

  private static Calibration calibration(Stored s) {
    DeviceKind kind = DeviceKind.valueOf(s.device().kind().toUpperCase(Locale.ROOT));
    Map<Precision, Rate> peaks = new EnumMap<>(Precision.class);
    s.device()
        .peakFlopsPerSecond()
        .forEach((p, v) -> peaks.put(Precision.of(p), new Rate(v, SOURCE, false)));
    Device device =
        new Device(
            s.device().name(),
            kind,
            "",
            s.device().memoryBytes(),
            new Rate(s.device().bandwidthBytesPerSecond(), SOURCE, false),
            cache(s.device()),
            peaks,
            null,
            List.of());
    return new Calibration(
        s.name(),
        s.host(),
        s.driver(),
        s.date(),
        s.assay(),
        device,
        s.constants().stream().map(CalibrationFile::constant).toList(),
        orEmpty(s.replaced()),
        s.open() == null ? List.of() : s.open(),
        orEmpty(s.points()),
        s.errors() == null ? List.of() : s.errors(),
        s.replayed() == null ? List.of() : s.replayed(),
        orEmpty(s.largestMemoryErrorBytes()),
        s.notes() == null ? List.of() : s.notes());
  }

  private static Device.@Nullable Cache cache(StoredDevice d) {
    return d.cacheBytes() == null || d.cacheBytesPerSecond() == null
        ? null
        : new Device.Cache(d.cacheBytes(), new Rate(d.cacheBytesPerSecond(), SOURCE, false));
  }

  private static <V> Map<String, V> orEmpty(@Nullable Map<String, V> map) {
    return map == null ? Map.of() : map;
  }

  private static Constant constant(StoredConstant k) {
    Constant.Interval interval =
        k.low() == null || k.high() == null ? null : new Constant.Interval(k.low(), k.high(), 0.95);
    return new Constant(
        Coefficient.valueOf(k.coefficient().toUpperCase(Locale.ROOT)),
        k.scope(),
        k.value(),
        Constant.Origin.CALIBRATED,
        k.source(),
        interval);
  }
}
