package assay.tokenizer.jinja;

import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** A chat template, read once, to be rendered with the values of a conversation. */
public final class Template {
  /** As in Jinja's sandbox. */
  private static final long MAX_RANGE = 100_000;

  private final List<Statement> body;

  private Template(List<Statement> body) {
    this.body = body;
  }

  /**
   * Reads a template.
   *
   * @throws TemplateException when it cannot be read
   */
  public static Template parse(String text) {
    return new Template(TemplateParser.parse(text));
  }

  /**
   * The text that it writes.
   *
   * @param values names and values: strings, whole numbers (Long), booleans, lists, maps, null
   * @param now the time that {@code strftime_now} prints
   * @throws TemplateException when the template fails on these values, or raises an exception
   */
  public String render(
      Map<String, ? extends @Nullable Object> values, Supplier<LocalDateTime> now) {
    Map<String, @Nullable Object> globals = new LinkedHashMap<>(functions(now));
    globals.putAll(values);
    Output out = new Output();
    Statement.runAll(body, new Scope(globals), out);
    return out.toString();
  }

  private static Map<String, Callable> functions(Supplier<LocalDateTime> now) {
    Map<String, Callable> f = new LinkedHashMap<>();
    f.put(
        "raise_exception",
        (a, named) -> {
          throw new TemplateException(
              a.isEmpty() ? "raises an exception" : Values.string(a.get(0)));
        });
    f.put(
        "strftime_now", (a, named) -> time(Values.string(a.isEmpty() ? "" : a.get(0)), now.get()));
    f.put("namespace", (a, named) -> new Namespace(merged(a, named)));
    f.put("dict", Template::merged);
    f.put("range", (a, named) -> range(a));
    return f;
  }

  private static Map<String, @Nullable Object> merged(
      List<@Nullable Object> arguments, Map<String, @Nullable Object> named) {
    Map<String, @Nullable Object> out = new LinkedHashMap<>();
    if (!arguments.isEmpty() && arguments.getFirst() instanceof Map<?, ?> m) {
      m.forEach((key, value) -> out.put(Values.string(key), value));
    }
    out.putAll(named);
    return out;
  }

  private static List<@Nullable Object> range(List<@Nullable Object> a) {
    if (a.isEmpty()) {
      throw new TemplateException("range needs an argument");
    }
    long start = a.size() > 1 ? Values.integer(a.get(0)) : 0;
    long stop = Values.integer(a.get(a.size() > 1 ? 1 : 0));
    long step = a.size() > 2 ? Values.integer(a.get(2)) : 1;
    if (step == 0) {
      throw new TemplateException("range with step 0");
    }
    List<@Nullable Object> out = new ArrayList<>();
    for (long i = start; step > 0 ? i < stop : i > stop; i += step) {
      if (out.size() >= MAX_RANGE) {
        throw new TemplateException("range of more than " + MAX_RANGE + " numbers");
      }
      out.add(i);
    }
    return out;
  }

  /** The directives of C's strftime that templates use. */
  private static String time(String format, LocalDateTime now) {
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < format.length(); i++) {
      char c = format.charAt(i);
      if (c != '%' || i + 1 == format.length()) {
        out.append(c);
        continue;
      }
      char directive = format.charAt(++i);
      boolean unpadded = directive == '-' && i + 1 < format.length();
      if (unpadded) {
        directive = format.charAt(++i);
      }
      String text = directive(directive, now);
      out.append(unpadded && text.startsWith("0") ? text.substring(1) : text);
    }
    return out.toString();
  }

  private static String directive(char directive, LocalDateTime now) {
    String pattern =
        switch (directive) {
          case 'Y' -> "yyyy";
          case 'y' -> "yy";
          case 'm' -> "MM";
          case 'd' -> "dd";
          case 'B' -> "MMMM";
          case 'b', 'h' -> "MMM";
          case 'A' -> "EEEE";
          case 'a' -> "EEE";
          case 'H' -> "HH";
          case 'M' -> "mm";
          case 'S' -> "ss";
          case 'F' -> "yyyy-MM-dd";
          case 'T' -> "HH:mm:ss";
          case 'j' -> "DDD";
          default -> "";
        };
    return switch (directive) {
      case '%' -> "%";
      case 'I' -> "%02d".formatted((now.getHour() + 11) % 12 + 1);
      case 'p' -> now.getHour() < 12 ? "AM" : "PM";
      default ->
          pattern.isEmpty()
              ? "%" + directive
              : DateTimeFormatter.ofPattern(pattern, Locale.ENGLISH).format(now);
    };
  }
}
