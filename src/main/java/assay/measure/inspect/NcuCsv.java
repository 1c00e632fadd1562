package assay.measure.inspect;

import assay.model.UserError;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Reads what Nsight Compute's command line prints with {@code --csv} and its default page: after
 * its own lines, which begin with {@code ==}, a header, then one line per launch and metric. The
 * columns that count are found by name, since versions differ in the others.
 *
 * <p>Numbers come with the locale's separators and, unless {@code --print-units base} is given, in
 * scaled units; both are undone here, so that every value is in bytes, instructions, operations or
 * nanoseconds. A file that was cut off keeps its whole launches.
 */
public final class NcuCsv {
  private static final Pattern GROUPED_WITH_DOTS =
      Pattern.compile("-?\\d{1,3}(\\.\\d{3})+,\\d+|-?\\d{1,3}(\\.\\d{3}){2,}");
  private static final Pattern GROUPED_WITH_COMMAS =
      Pattern.compile("-?\\d{1,3}(,\\d{3})+(\\.\\d+)?");
  private static final Pattern UNIT =
      Pattern.compile("([KMGT]i?)?(byte|B|inst|sector|request|cycle|op)s?");
  private static final Map<String, Double> SECONDS =
      Map.ofEntries(
          Map.entry("ns", 1.0),
          Map.entry("nsecond", 1.0),
          Map.entry("us", 1e3),
          Map.entry("usecond", 1e3),
          Map.entry("ms", 1e6),
          Map.entry("msecond", 1e6),
          Map.entry("s", 1e9),
          Map.entry("second", 1e9));

  private NcuCsv() {}

  /**
   * One launch of a kernel.
   *
   * @param kernel its name, without parameters as ncu prints it by default
   * @param metrics by ncu's names, in base units; one that ncu could not take is absent
   */
  public record Launch(String kernel, Map<String, Double> metrics) {
    /** Keeps the metrics as they are. */
    public Launch {
      metrics = Map.copyOf(metrics);
    }
  }

  /**
   * What a file holds.
   *
   * @param launches in the order in which they ran
   * @param cutLaunches launches that were left out because the file ends within them
   * @param errors what ncu says itself, without its mark; its reason where there are no launches
   */
  public record Contents(List<Launch> launches, int cutLaunches, List<String> errors) {}

  private record Columns(int id, int kernel, int metric, int unit, int value, int count) {}

  /**
   * Reads a whole output.
   *
   * @param wanted by a metric's name, whether its values are needed
   * @throws UserError where it has another page's columns, or a value that is needed is no number
   *     or in a unit that is not known
   */
  public static Contents parse(String text, Predicate<String> wanted) {
    List<String> errors = new ArrayList<>();
    List<List<String>> rows = new ArrayList<>();
    Columns columns = null;
    String cut = null;
    String[] lines = text.split("\\R", -1);
    for (int i = 0; i < lines.length; i++) {
      String line = lines[i];
      if (line.startsWith("==")) {
        error(line, errors);
      } else if (columns == null) {
        columns = columns(fields(line));
      } else if (!line.isBlank()) {
        List<String> row = fields(line);
        boolean last = i == lines.length - 1;
        if (row != null && row.size() == columns.count && !(last && line.endsWith(","))) {
          rows.add(row);
        } else if (last) {
          cut = line; // Other broken lines are the program's own output between ncu's.
        }
      }
    }
    return columns == null
        ? new Contents(List.of(), 0, errors)
        : collect(rows, columns, wanted, cut, errors);
  }

  private static void error(String line, List<String> errors) {
    if (line.startsWith("==ERROR==")) {
      errors.add(line.substring("==ERROR==".length()).strip());
    }
  }

  private static @Nullable Columns columns(@Nullable List<String> header) {
    if (header == null || !header.contains("ID") || !header.contains("Kernel Name")) {
      return null;
    }
    Columns found =
        new Columns(
            header.indexOf("ID"),
            header.indexOf("Kernel Name"),
            header.indexOf("Metric Name"),
            header.indexOf("Metric Unit"),
            header.indexOf("Metric Value"),
            header.size());
    if (found.metric < 0 || found.unit < 0 || found.value < 0) {
      throw new UserError(
          "ncu's output has no columns Metric Name, Metric Unit, Metric Value: expected --csv with"
              + " the page details");
    }
    return found;
  }

  private static Contents collect(
      List<List<String>> rows,
      Columns c,
      Predicate<String> wanted,
      @Nullable String cut,
      List<String> errors) {
    boolean decimalComma =
        rows.stream().anyMatch(r -> GROUPED_WITH_DOTS.matcher(r.get(c.value)).matches());
    SequencedMap<String, String> kernels = new LinkedHashMap<>();
    Map<String, Map<String, Double>> metrics = new LinkedHashMap<>();
    Map<String, Set<String>> named = new LinkedHashMap<>();
    for (List<String> row : rows) {
      String id = row.get(c.id);
      String metric = row.get(c.metric);
      kernels.putIfAbsent(id, row.get(c.kernel));
      Map<String, Double> of = metrics.computeIfAbsent(id, k -> new LinkedHashMap<>());
      named.computeIfAbsent(id, k -> new HashSet<>()).add(metric);
      Double value = wanted.test(metric) ? number(row.get(c.value), decimalComma, metric) : null;
      if (value != null) {
        of.put(metric, value * factor(row.get(c.unit), metric));
      }
    }
    // Only the last launch can be unfinished: ncu prints one after the other.
    int most = named.values().stream().mapToInt(Set::size).max().orElse(0);
    int left = cut == null ? 0 : 1;
    if (!kernels.isEmpty()) {
      String last = kernels.lastEntry().getKey();
      boolean few = Objects.requireNonNull(named.get(last)).size() < most;
      boolean only = kernels.size() == 1;
      if (few || (only && cut != null && !isOfAnother(cut, last))) {
        kernels.remove(last);
        left = 1;
      }
    }
    List<Launch> launches =
        kernels.entrySet().stream()
            .map(e -> new Launch(e.getValue(), metrics.getOrDefault(e.getKey(), Map.of())))
            .toList();
    return new Contents(launches, left, List.copyOf(errors));
  }

  /** Whether a broken line shows the number of another launch. */
  private static boolean isOfAnother(String cut, String id) {
    return cut.startsWith("\"") && cut.contains("\",") && !cut.startsWith("\"" + id + "\",");
  }

  /** RFC 4180 within one line; null where a quote is not closed. */
  private static @Nullable List<String> fields(String line) {
    List<String> out = new ArrayList<>();
    StringBuilder field = new StringBuilder();
    boolean quoted = false;
    for (int i = 0; i < line.length(); i++) {
      char ch = line.charAt(i);
      if (ch == '"') {
        boolean doubled = quoted && i + 1 < line.length() && line.charAt(i + 1) == '"';
        if (doubled) {
          field.append(ch);
          i++;
        } else {
          quoted = !quoted;
        }
      } else if (ch == ',' && !quoted) {
        out.add(field.toString());
        field.setLength(0);
      } else {
        field.append(ch);
      }
    }
    out.add(field.toString());
    return quoted ? null : out;
  }

  private static @Nullable Double number(String text, boolean decimalComma, String metric) {
    String plain = text.replaceAll("[\\s\\u00a0\\u202f'’]", "");
    if (plain.isEmpty() || plain.toLowerCase(Locale.ROOT).matches("n/a|nan|\\(!\\)n/a")) {
      return null;
    }
    if (decimalComma) {
      plain = plain.replace(".", "").replace(',', '.');
    } else if (GROUPED_WITH_COMMAS.matcher(plain).matches()) {
      plain = plain.replace(",", "");
    } else {
      plain = plain.replace(',', '.');
    }
    try {
      return Double.valueOf(plain);
    } catch (NumberFormatException e) {
      throw new UserError("ncu's " + metric + " is '" + text + "': expected a number");
    }
  }

  private static double factor(String unit, String metric) {
    Double nanoseconds = SECONDS.get(unit);
    if (nanoseconds != null) {
      return nanoseconds;
    }
    Matcher m = UNIT.matcher(unit);
    if (unit.isEmpty()) {
      return 1;
    }
    if (!m.matches()) {
      throw new UserError(
          "ncu's " + metric + " is in '" + unit + "': expected bytes, instructions or seconds");
    }
    String prefix = m.group(1);
    if (prefix == null) {
      return 1;
    }
    return Math.pow(prefix.endsWith("i") ? 1024 : 1000, "KMGT".indexOf(prefix.charAt(0)) + 1.0);
  }
}
