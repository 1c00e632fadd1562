package assay.tokenizer.jinja;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** What can stand after a bar. */
final class Filters {
  private Filters() {}

  static @Nullable Object apply(
      String name,
      @Nullable Object v,
      List<@Nullable Object> a,
      Map<String, @Nullable Object> named) {
    return switch (name) {
      case "default", "d" -> fallback(v, a, named);
      case "capitalize",
          "lower",
          "upper",
          "title",
          "trim",
          "replace",
          "indent",
          "e",
          "escape",
          "safe",
          "string" ->
          text(name, v, a, named);
      case "abs", "int", "float", "round" -> number(name, v, a, named);
      case "tojson" -> json(v, a, named);
      case "count", "length" -> Values.length(v);
      case "items" -> v instanceof Map<?, ?> m ? Methods.items(m) : List.of();
      case "list" -> Values.elements(v);
      case "first" -> end(v, true);
      case "last" -> end(v, false);
      case "join" -> join(v, a, named);
      case "reverse" -> reversed(v);
      case "dictsort" ->
          Methods.items((Map<?, ?>) mapping(v)).stream()
              .sorted((p, q) -> Values.compare(folded(key(p)), folded(key(q))))
              .collect(Collectors.toCollection(ArrayList::new));
      case "max" -> extreme(v, 1);
      case "min" -> extreme(v, -1);
      case "sum" -> sum(v, named);
      case "sort" -> sorted(v, named);
      case "unique" -> unique(v);
      case "map" -> map(v, a, named);
      case "select" -> select(v, a, true);
      case "reject" -> select(v, a, false);
      case "selectattr" -> selectAttribute(v, a, true);
      case "rejectattr" -> selectAttribute(v, a, false);
      default -> throw new TemplateException("unknown filter '" + name + "'");
    };
  }

  private static @Nullable Object given(
      List<@Nullable Object> a, int i, Map<String, @Nullable Object> named, String name) {
    return i < a.size() ? a.get(i) : named.get(name);
  }

  private static @Nullable Object fallback(
      @Nullable Object v, List<@Nullable Object> a, Map<String, @Nullable Object> named) {
    boolean falseToo = Values.truth(given(a, 1, named, "boolean"));
    boolean replace = v instanceof Undefined || (falseToo && !Values.truth(v));
    Object value = given(a, 0, named, "default_value");
    return !replace ? v : value == null && a.isEmpty() ? "" : value;
  }

  private static String text(
      String name,
      @Nullable Object v,
      List<@Nullable Object> a,
      Map<String, @Nullable Object> named) {
    String s = Values.string(v);
    return switch (name) {
      case "capitalize" -> Methods.capitalize(s);
      case "lower" -> s.toLowerCase(Locale.ROOT);
      case "upper" -> s.toUpperCase(Locale.ROOT);
      case "title" -> Methods.title(s);
      case "trim" -> Methods.strip(s, a, true, true);
      case "replace" ->
          Methods.replace(
              s,
              Values.string(given(a, 0, named, "old")),
              Values.string(given(a, 1, named, "new")),
              given(a, 2, named, "count"));
      case "indent" -> indent(s, a, named);
      case "e", "escape" ->
          s.replace("&", "&amp;")
              .replace("<", "&lt;")
              .replace(">", "&gt;")
              .replace("'", "&#39;")
              .replace("\"", "&#34;");
      default -> s;
    };
  }

  private static String indent(
      String s, List<@Nullable Object> a, Map<String, @Nullable Object> named) {
    Object width = given(a, 0, named, "width");
    String blanks =
        width instanceof String text
            ? text
            : " ".repeat(Math.clamp(width == null ? 4 : Values.integer(width), 0, 1000));
    boolean first = Values.truth(given(a, 1, named, "first"));
    boolean blank = Values.truth(given(a, 2, named, "blank"));
    String[] lines = s.split("\n", -1);
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < lines.length; i++) {
      boolean indented = i == 0 ? first : blank || !lines[i].isEmpty();
      out.append(i > 0 ? "\n" : "").append(indented ? blanks : "").append(lines[i]);
    }
    return out.toString();
  }

  private static Object number(
      String name,
      @Nullable Object v,
      List<@Nullable Object> a,
      Map<String, @Nullable Object> named) {
    Number n = Values.asNumber(v);
    if (name.equals("abs") || name.equals("round")) {
      if (n == null) {
        throw new TemplateException(name + " of " + Values.kind(v));
      }
      if (name.equals("abs")) {
        return n instanceof Long l ? (Object) Math.abs(l) : (Object) Math.abs(n.doubleValue());
      }
      Object digits = given(a, 0, named, "precision");
      double unit = Math.pow(10, digits == null ? 0 : (double) Values.integer(digits));
      return Math.rint(n.doubleValue() * unit) / unit;
    }
    Object otherwise = given(a, 0, named, "default");
    try {
      double d = n != null ? n.doubleValue() : Double.parseDouble(Values.string(v).strip());
      return name.equals("int") ? (Object) (n instanceof Long l ? l : (long) d) : (Object) d;
    } catch (NumberFormatException e) {
      return otherwise != null ? otherwise : name.equals("int") ? (Object) 0L : (Object) 0.0;
    }
  }

  private static String json(
      @Nullable Object v, List<@Nullable Object> a, Map<String, @Nullable Object> named) {
    Object indent = given(a, 0, named, "indent");
    // Hugging Face's own filter has the parameters ensure_ascii, indent, separators, sort_keys.
    if (!a.isEmpty() && a.get(0) instanceof Boolean) {
      indent = a.size() > 1 ? a.get(1) : null;
    }
    int blanks = indent == null ? -1 : Math.clamp(Values.integer(indent), 0, 100);
    return Json.write(v, blanks, Values.truth(named.get("sort_keys")));
  }

  private static @Nullable Object end(@Nullable Object v, boolean first) {
    List<@Nullable Object> all = Values.elements(v);
    if (all.isEmpty()) {
      return new Undefined(first ? "the first of nothing" : "the last of nothing");
    }
    return first ? all.getFirst() : all.getLast();
  }

  private static String join(
      @Nullable Object v, List<@Nullable Object> a, Map<String, @Nullable Object> named) {
    Object separator = given(a, 0, named, "d");
    Object attribute = given(a, 1, named, "attribute");
    return Values.elements(v).stream()
        .map(e -> attribute == null ? e : path(e, attribute))
        .map(Values::string)
        .collect(Collectors.joining(separator == null ? "" : Values.string(separator)));
  }

  private static Object reversed(@Nullable Object v) {
    if (v instanceof String s) {
      return new StringBuilder(s).reverse().toString();
    }
    List<@Nullable Object> all = Values.elements(v);
    Collections.reverse(all);
    return all;
  }

  private static Object mapping(@Nullable Object v) {
    if (v instanceof Map<?, ?> m) {
      return m;
    }
    throw new TemplateException(Values.kind(v) + " where a mapping is expected");
  }

  private static @Nullable Object key(Object pair) {
    return ((List<?>) pair).getFirst();
  }

  private static @Nullable Object folded(@Nullable Object v) {
    return v instanceof String s ? s.toLowerCase(Locale.ROOT) : v;
  }

  private static @Nullable Object extreme(@Nullable Object v, int sign) {
    List<@Nullable Object> all = Values.elements(v);
    Object best = all.isEmpty() ? new Undefined("an extreme of nothing") : all.getFirst();
    for (Object e : all) {
      best = Values.compare(e, best) * sign > 0 ? e : best;
    }
    return best;
  }

  private static Object sum(@Nullable Object v, Map<String, @Nullable Object> named) {
    Object start = named.get("start");
    Object total = start == null ? 0L : start;
    for (Object e : Values.elements(v)) {
      Object attribute = named.get("attribute");
      total = Values.add(total, attribute == null ? e : path(e, attribute));
    }
    return total;
  }

  private static Object sorted(@Nullable Object v, Map<String, @Nullable Object> named) {
    Object attribute = named.get("attribute");
    boolean exact = Values.truth(named.get("case_sensitive"));
    Comparator<@Nullable Object> order =
        (p, q) -> {
          Object x = attribute == null ? p : path(p, attribute);
          Object y = attribute == null ? q : path(q, attribute);
          return exact ? Values.compare(x, y) : Values.compare(folded(x), folded(y));
        };
    List<@Nullable Object> all = Values.elements(v);
    all.sort(Values.truth(named.get("reverse")) ? order.reversed() : order);
    return all;
  }

  private static Object unique(@Nullable Object v) {
    Map<@Nullable Object, @Nullable Object> seen = new LinkedHashMap<>();
    for (Object e : Values.elements(v)) {
      seen.putIfAbsent(folded(e), e);
    }
    return new ArrayList<>(seen.values());
  }

  /** {@code a.b.0} of a value. */
  private static @Nullable Object path(@Nullable Object v, @Nullable Object attribute) {
    if (attribute instanceof Long) {
      return Values.item(v, attribute);
    }
    Object at = v;
    for (String part : Values.string(attribute).split("\\.", -1)) {
      at = part.matches("\\d{1,9}") ? Values.item(at, Long.parseLong(part)) : Values.item(at, part);
    }
    return at;
  }

  private static Object map(
      @Nullable Object v, List<@Nullable Object> a, Map<String, @Nullable Object> named) {
    List<@Nullable Object> out = new ArrayList<>();
    if (!Values.truth(v)) {
      return out; // also of none
    }
    for (Object e : Values.elements(v)) {
      if (named.containsKey("attribute")) {
        Object found = path(e, named.get("attribute"));
        out.add(
            found instanceof Undefined && named.containsKey("default")
                ? named.get("default")
                : found);
      } else if (a.isEmpty()) {
        throw new TemplateException("map needs a filter or an attribute");
      } else {
        String filter = Values.string(a.getFirst());
        out.add(apply(filter, e, a.subList(1, a.size()), named));
      }
    }
    return out;
  }

  private static Object select(@Nullable Object v, List<@Nullable Object> a, boolean keep) {
    return kept(v, e -> e, a, 0, keep);
  }

  private static Object selectAttribute(
      @Nullable Object v, List<@Nullable Object> a, boolean keep) {
    if (a.isEmpty()) {
      throw new TemplateException("an attribute is needed");
    }
    return kept(v, e -> path(e, a.getFirst()), a, 1, keep);
  }

  private interface Look {
    @Nullable Object at(@Nullable Object element);
  }

  private static Object kept(
      @Nullable Object v, Look look, List<@Nullable Object> a, int first, boolean keep) {
    String test = a.size() > first ? comparison(Values.string(a.get(first))) : null;
    List<@Nullable Object> out = new ArrayList<>();
    if (!Values.truth(v)) {
      return out; // also of none
    }
    for (Object e : Values.elements(v)) {
      Object seen = look.at(e);
      boolean holds =
          test == null
              ? Values.truth(seen)
              : Tests.holds(test, seen, a.subList(first + 1, a.size()));
      if (holds == keep) {
        out.add(e);
      }
    }
    return out;
  }

  private static String comparison(String name) {
    return switch (name) {
      case "==" -> "eq";
      case "!=" -> "ne";
      case "<" -> "lt";
      case "<=" -> "le";
      case ">" -> "gt";
      case ">=" -> "ge";
      default -> name;
    };
  }
}
