package assay.estimate;

import assay.model.Precision;
import assay.model.UserError;
import assay.units.Bytes;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Known GPUs: dense peaks per type of arithmetic, bandwidth, memory, power, each card with its
 * source. The table is {@code devices.csv}; a user's own file of the same columns adds cards or
 * replaces them by name.
 */
public final class DeviceTable {
  private static final String RESOURCE = "/assay/devices.csv";
  private static final double TERA = 1e12;
  private static final double GIGA = 1e9;

  private final List<Device> devices;
  private final Map<String, Device> byDriverName;

  private DeviceTable(List<Device> devices, Map<String, Device> byDriverName) {
    this.devices = List.copyOf(devices);
    this.byDriverName = Map.copyOf(byDriverName);
  }

  /** The cards that come with Assay. */
  public static DeviceTable builtIn() {
    return new Reader("the built-in device table").read(resource()).table();
  }

  /**
   * The built-in cards and those of a file, which win where names agree.
   *
   * @throws UserError when the file cannot be read or a cell is not what its column says
   */
  public static DeviceTable with(Path file) {
    String text;
    try {
      text = Files.readString(file, StandardCharsets.UTF_8);
    } catch (NoSuchFileException e) {
      throw new UserError("no such file: " + file);
    } catch (IOException e) {
      throw new UserError("cannot read %s: %s".formatted(file, e.getMessage()));
    }
    return new Reader("the built-in device table")
        .read(resource())
        .in(file.toString())
        .read(text)
        .table();
  }

  private static String resource() {
    try (InputStream in = DeviceTable.class.getResourceAsStream(RESOURCE)) {
      if (in == null) {
        throw new IllegalStateException(RESOURCE + " is missing from the class path");
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** All cards in the table's order. */
  public List<Device> devices() {
    return devices;
  }

  /** The card whose driver calls it so, or null. */
  public @Nullable Device ofDriverName(String name) {
    return byDriverName.get(normal(name));
  }

  /**
   * The card that a user means: by its exact name, by its driver's name, or by words that only one
   * card's name has ("H100 SXM5", "4090").
   *
   * @throws UserError naming the candidates when several or none match
   */
  public Device find(String query) {
    for (Device d : devices) {
      if (normal(d.name()).equals(normal(query))) {
        return d;
      }
    }
    Device byDriver = ofDriverName(query);
    if (byDriver != null) {
      return byDriver;
    }
    List<Device> matches = devices.stream().filter(d -> matches(d, query)).toList();
    if (matches.size() == 1) {
      return matches.getFirst();
    }
    if (matches.isEmpty()) {
      throw new UserError(
          "unknown GPU '%s': expected one of %s (or give --peak-tflops and --bandwidth)"
              .formatted(query, names(devices)));
    }
    throw new UserError("'%s' could be %s: say which".formatted(query, names(matches)));
  }

  private static boolean matches(Device d, String query) {
    List<String> own = words(d.name());
    return !words(query).isEmpty()
        && words(query).stream().allMatch(w -> own.stream().anyMatch(o -> o.startsWith(w)));
  }

  private static List<String> words(String name) {
    return Arrays.stream(name.toLowerCase(Locale.ROOT).split("[^a-z0-9]+"))
        .filter(w -> !w.isEmpty() && !w.equals("nvidia") && !w.equals("geforce"))
        .toList();
  }

  private static String normal(String name) {
    return String.join(" ", words(name));
  }

  private static String names(List<Device> of) {
    return String.join(", ", of.stream().map(Device::name).toList());
  }

  /** Reads CSV text into cards. */
  private static final class Reader {
    private static final Set<String> COLUMNS =
        Set.of(
            "name",
            "driver_name",
            "architecture",
            "compute_capability",
            "memory_gb",
            "memory_mib",
            "bandwidth_gbs",
            "fp32",
            "tf32",
            "fp16",
            "bf16",
            "fp8",
            "int8",
            "int4",
            "tdp_w",
            "sm",
            "clock_mhz",
            "derived",
            "source",
            "note");
    private final List<Device> devices = new ArrayList<>();
    private final Map<String, Device> byDriverName = new java.util.HashMap<>();
    private String where;

    Reader(String where) {
      this.where = where;
    }

    Reader in(String place) {
      this.where = place;
      return this;
    }

    DeviceTable table() {
      return new DeviceTable(devices, byDriverName);
    }

    Reader read(String text) {
      List<String> lines = text.lines().filter(l -> !l.isBlank() && !l.startsWith("#")).toList();
      if (lines.isEmpty()) {
        throw new UserError(where + " is empty: expected a header line and one line per card");
      }
      List<String> header = Csv.split(lines.getFirst());
      for (String column : header) {
        if (!COLUMNS.contains(column)) {
          throw new UserError(
              "%s: unknown column '%s': expected some of %s"
                  .formatted(where, column, String.join(", ", COLUMNS.stream().sorted().toList())));
        }
      }
      if (!header.contains("name")) {
        throw new UserError(where + " has no column 'name'");
      }
      for (String line : lines.subList(1, lines.size())) {
        add(new Row(where, header, Csv.split(line)));
      }
      return this;
    }

    private void add(Row row) {
      Device d = device(row);
      devices.removeIf(old -> normal(old.name()).equals(normal(d.name())));
      devices.add(d);
      if (!row.text("driver_name").isEmpty()) {
        byDriverName.put(normal(row.text("driver_name")), d);
      }
    }

    private static Device device(Row row) {
      Set<String> derived = new HashSet<>(Arrays.asList(row.text("derived").split(" ")));
      Map<Precision, Rate> peaks = new EnumMap<>(Precision.class);
      for (Precision p : Precision.values()) {
        Rate peak = row.rate(p.label(), TERA, derived);
        if (peak != null) {
          peaks.put(p, peak);
        }
      }
      Double mib = row.number("memory_mib");
      Double gb = row.number("memory_gb");
      Long memory =
          mib != null
              ? Long.valueOf(Math.round(mib * Bytes.MIB))
              : gb == null ? null : Long.valueOf(Math.round(gb * Bytes.GB));
      List<String> notes = row.text("note").isEmpty() ? List.of() : List.of(row.text("note"));
      return new Device(
          row.text("name"),
          DeviceKind.CUDA,
          row.text("architecture"),
          memory,
          row.rate("bandwidth_gbs", GIGA, derived),
          null,
          peaks,
          row.number("tdp_w"),
          notes);
    }
  }

  /** One line with its column names. */
  private record Row(String where, List<String> header, List<String> cells) {
    Row {
      if (cells.size() != header.size()) {
        throw new UserError(
            "%s: the line of '%s' has %d cells: expected %d"
                .formatted(
                    where, cells.isEmpty() ? "" : cells.getFirst(), cells.size(), header.size()));
      }
      int name = header.indexOf("name");
      if (cells.get(name).isBlank()) {
        throw new UserError(where + ": a line without a name");
      }
    }

    String text(String column) {
      int at = header.indexOf(column);
      return at < 0 ? "" : cells.get(at).strip();
    }

    @Nullable Double number(String column) {
      String cell = text(column);
      if (cell.isEmpty()) {
        return null;
      }
      double value;
      try {
        value = Double.parseDouble(cell);
      } catch (NumberFormatException e) {
        value = Double.NaN;
      }
      if (!(value > 0 && value < 1e9)) {
        throw new UserError(
            "%s: %s of '%s' is '%s': expected a positive number or nothing"
                .formatted(where, column, text("name"), cell));
      }
      return value;
    }

    @Nullable Rate rate(String column, double scale, Set<String> derived) {
      Double value = number(column);
      if (value == null) {
        return null;
      }
      String source = text("source").isEmpty() ? where : text("source");
      boolean isDerived = derived.contains(column) || derived.contains(column.replace("_gbs", ""));
      return new Rate(value * scale, source, isDerived);
    }
  }
}
