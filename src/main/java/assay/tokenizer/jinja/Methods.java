package assay.tokenizer.jinja;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Attributes of values: Python's methods of strings, lists and mappings, keys of mappings. */
final class Methods {
  private Methods() {}

  /** {@code value.name}: a method first, then a key. */
  static @Nullable Object attribute(@Nullable Object value, String name) {
    if (value instanceof Undefined u) {
      throw u.error();
    }
    if (value instanceof Namespace n) {
      return n.values().containsKey(name) ? n.values().get(name) : new Undefined(name);
    }
    Callable method =
        switch (value) {
          case String s -> ofString(s, name);
          case Map<?, ?> m -> ofMapping(m, name);
          case List<?> l -> ofList(l, name);
          case null, default -> null;
        };
    return method == null ? Values.item(value, name) : method;
  }

  /** {@code value[key]}: a key first, then a method. */
  static @Nullable Object subscript(@Nullable Object value, @Nullable Object key) {
    Object item = Values.item(value, key);
    boolean absent = item instanceof Undefined && !(value instanceof Map<?, ?>);
    return absent && key instanceof String name ? attribute(value, name) : item;
  }

  private static @Nullable Callable ofMapping(Map<?, ?> m, String name) {
    return switch (name) {
      case "items" -> (a, n) -> items(m);
      case "keys" -> (a, n) -> new ArrayList<Object>(m.keySet());
      case "values" -> (a, n) -> new ArrayList<Object>(m.values());
      case "get" ->
          (a, n) ->
              m.containsKey(argument(a, 0))
                  ? m.get(argument(a, 0))
                  : a.size() > 1 ? a.get(1) : n.get("default");
      default -> null;
    };
  }

  /** Pairs of a mapping, as lists of two. */
  static List<Object> items(Map<?, ?> m) {
    List<Object> out = new ArrayList<>();
    m.forEach((key, value) -> out.add(Arrays.asList(key, value)));
    return out;
  }

  private static @Nullable Callable ofList(List<?> l, String name) {
    return switch (name) {
      case "index" ->
          (a, n) -> {
            for (int i = 0; i < l.size(); i++) {
              if (Values.equal(l.get(i), argument(a, 0))) {
                return (long) i;
              }
            }
            throw new TemplateException("the list does not hold what index looks for");
          };
      case "count" -> (a, n) -> l.stream().filter(e -> Values.equal(e, argument(a, 0))).count();
      case "append", "extend", "insert", "pop", "remove", "clear", "sort", "reverse" ->
          throw new TemplateException("lists cannot be changed: " + name);
      default -> null;
    };
  }

  private static @Nullable Callable ofString(String s, String name) {
    return switch (name) {
      case "strip" -> (a, n) -> strip(s, a, true, true);
      case "lstrip" -> (a, n) -> strip(s, a, true, false);
      case "rstrip" -> (a, n) -> strip(s, a, false, true);
      case "upper" -> (a, n) -> s.toUpperCase(Locale.ROOT);
      case "lower" -> (a, n) -> s.toLowerCase(Locale.ROOT);
      case "title" -> (a, n) -> title(s);
      case "capitalize" -> (a, n) -> capitalize(s);
      case "startswith" -> (a, n) -> anyOf(argument(a, 0)).stream().anyMatch(s::startsWith);
      case "endswith" -> (a, n) -> anyOf(argument(a, 0)).stream().anyMatch(s::endsWith);
      case "split" -> (a, n) -> split(s, a, n);
      case "rsplit" -> (a, n) -> rightSplit(s, a);
      case "splitlines" -> (a, n) -> new ArrayList<Object>(s.lines().toList());
      case "partition" -> (a, n) -> partition(s, text(a, 0), s.indexOf(text(a, 0)));
      case "rpartition" -> (a, n) -> partition(s, text(a, 0), s.lastIndexOf(text(a, 0)));
      case "replace" ->
          (a, n) -> replace(s, text(a, 0), text(a, 1), a.size() > 2 ? a.get(2) : null);
      case "join" ->
          (a, n) ->
              Values.elements(argument(a, 0)).stream()
                  .map(Values::string)
                  .collect(Collectors.joining(s));
      case "find" -> (a, n) -> (long) s.indexOf(text(a, 0));
      case "rfind" -> (a, n) -> (long) s.lastIndexOf(text(a, 0));
      case "count" -> (a, n) -> count(s, text(a, 0));
      case "removeprefix" ->
          (a, n) -> s.startsWith(text(a, 0)) ? s.substring(text(a, 0).length()) : s;
      case "removesuffix" ->
          (a, n) -> s.endsWith(text(a, 0)) ? s.substring(0, s.length() - text(a, 0).length()) : s;
      case "format" -> (a, n) -> format(s, a, n);
      case "isdigit" -> (a, n) -> all(s, Character::isDigit);
      case "isalpha" -> (a, n) -> all(s, Character::isLetter);
      case "isalnum" -> (a, n) -> all(s, Character::isLetterOrDigit);
      case "isspace" -> (a, n) -> all(s, Character::isWhitespace);
      case "isupper" ->
          (a, n) -> !s.equals(s.toLowerCase(Locale.ROOT)) && s.equals(s.toUpperCase(Locale.ROOT));
      case "islower" ->
          (a, n) -> !s.equals(s.toUpperCase(Locale.ROOT)) && s.equals(s.toLowerCase(Locale.ROOT));
      default -> null;
    };
  }

  private static @Nullable Object argument(List<@Nullable Object> arguments, int i) {
    if (i >= arguments.size()) {
      throw new TemplateException("a method is called with too few arguments");
    }
    return arguments.get(i);
  }

  private static String text(List<@Nullable Object> arguments, int i) {
    if (argument(arguments, i) instanceof String s) {
      return s;
    }
    throw new TemplateException(Values.kind(arguments.get(i)) + " where a string is expected");
  }

  /** One string or a tuple of them. */
  private static List<String> anyOf(@Nullable Object v) {
    return v instanceof String s
        ? List.of(s)
        : Values.elements(v).stream().map(Values::string).toList();
  }

  private static boolean all(String s, java.util.function.IntPredicate test) {
    return !s.isEmpty() && s.codePoints().allMatch(test);
  }

  static String strip(String s, List<@Nullable Object> arguments, boolean left, boolean right) {
    String chars = arguments.isEmpty() || arguments.get(0) == null ? null : text(arguments, 0);
    int from = 0;
    int to = s.length();
    while (left && from < to && strips(s.charAt(from), chars)) {
      from++;
    }
    while (right && to > from && strips(s.charAt(to - 1), chars)) {
      to--;
    }
    return s.substring(from, to);
  }

  private static boolean strips(char c, @Nullable String chars) {
    return chars == null
        ? Character.isWhitespace(c) || c == '\u0085' || Character.isSpaceChar(c)
        : chars.indexOf(c) >= 0;
  }

  private static List<@Nullable Object> split(
      String s, List<@Nullable Object> a, Map<String, @Nullable Object> named) {
    Object limit = a.size() > 1 ? a.get(1) : named.get("maxsplit");
    long most = limit == null ? -1 : Values.integer(limit);
    if (a.isEmpty() || a.get(0) == null) {
      String stripped = s.strip();
      return stripped.isEmpty()
          ? new ArrayList<>()
          : new ArrayList<>(Arrays.asList(stripped.split("\\s+", most < 0 ? 0 : (int) most + 1)));
    }
    String separator = text(a, 0);
    if (separator.isEmpty()) {
      throw new TemplateException("split at an empty separator");
    }
    List<@Nullable Object> out = new ArrayList<>();
    int from = 0;
    for (int i = s.indexOf(separator); i >= 0 && most != 0; i = s.indexOf(separator, from)) {
      out.add(s.substring(from, i));
      from = i + separator.length();
      most--;
    }
    out.add(s.substring(from));
    return out;
  }

  private static List<@Nullable Object> rightSplit(String s, List<@Nullable Object> a) {
    String separator = text(a, 0);
    long most = a.size() > 1 ? Values.integer(a.get(1)) : -1;
    if (separator.isEmpty()) {
      throw new TemplateException("split at an empty separator");
    }
    List<@Nullable Object> out = new ArrayList<>();
    String rest = s;
    for (int i = rest.lastIndexOf(separator); i >= 0 && most != 0; ) {
      out.addFirst(rest.substring(i + separator.length()));
      rest = rest.substring(0, i);
      most--;
      i = rest.lastIndexOf(separator);
    }
    out.addFirst(rest);
    return out;
  }

  private static List<@Nullable Object> partition(String s, String separator, int at) {
    return at < 0
        ? new ArrayList<>(List.of(s, "", ""))
        : new ArrayList<>(
            List.of(s.substring(0, at), separator, s.substring(at + separator.length())));
  }

  static String replace(String s, String old, String with, @Nullable Object limit) {
    long most = limit == null ? Long.MAX_VALUE : Values.integer(limit);
    if (most < 0 || most == Long.MAX_VALUE) {
      return s.replace(old, with);
    }
    StringBuilder out = new StringBuilder();
    int from = 0;
    for (int i = s.indexOf(old); i >= 0 && most > 0 && !old.isEmpty(); i = s.indexOf(old, from)) {
      out.append(s, from, i).append(with);
      from = i + old.length();
      most--;
    }
    return out.append(s.substring(from)).toString();
  }

  private static long count(String s, String what) {
    long n = 0;
    for (int i = s.indexOf(what);
        i >= 0 && !what.isEmpty();
        i = s.indexOf(what, i + what.length())) {
      n++;
    }
    return n;
  }

  /** Python's format with {}, {0} and {name}; without format specifications. */
  private static String format(
      String s, List<@Nullable Object> arguments, Map<String, @Nullable Object> named) {
    StringBuilder out = new StringBuilder();
    int next = 0;
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      boolean doubled = i + 1 < s.length() && s.charAt(i + 1) == c;
      int close = c == '{' ? s.indexOf('}', i) : -1;
      if ((c == '{' || c == '}') && doubled) {
        out.append(c);
        i++;
      } else if (close > 0) {
        String key = s.substring(i + 1, close);
        if (key.matches("\\d{0,4}")) {
          out.append(
              Values.string(argument(arguments, key.isEmpty() ? next++ : Integer.parseInt(key))));
        } else {
          out.append(Values.string(Values.item(named, key)));
        }
        i = close;
      } else {
        out.append(c);
      }
    }
    return out.toString();
  }

  static String capitalize(String s) {
    return s.isEmpty()
        ? s
        : s.substring(0, 1).toUpperCase(Locale.ROOT) + s.substring(1).toLowerCase(Locale.ROOT);
  }

  static String title(String s) {
    StringBuilder out = new StringBuilder();
    boolean inside = false;
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      out.append(inside ? Character.toLowerCase(c) : Character.toUpperCase(c));
      inside = Character.isLetter(c);
    }
    return out.toString();
  }
}
