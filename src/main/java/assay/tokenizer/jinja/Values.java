package assay.tokenizer.jinja;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Python's rules for the values of a template: null is None, Boolean, Long, Double, String, List,
 * Map, {@link Undefined}, {@link Callable}.
 */
final class Values {
  private Values() {}

  static boolean truth(@Nullable Object v) {
    return switch (v) {
      case null -> false;
      case Undefined u -> false;
      case Boolean b -> b;
      case Long n -> n != 0;
      case Double d -> d != 0;
      case String s -> !s.isEmpty();
      case Collection<?> c -> !c.isEmpty();
      case Map<?, ?> m -> !m.isEmpty();
      default -> true;
    };
  }

  /** What {@code str} gives. */
  static String string(@Nullable Object v) {
    return switch (v) {
      case Undefined u -> "";
      case String s -> s;
      case null, default -> representation(v);
    };
  }

  /** What {@code repr} gives. */
  static String representation(@Nullable Object v) {
    return switch (v) {
      case null -> "None";
      case Undefined u -> "Undefined";
      case Boolean b -> b ? "True" : "False";
      case Double d -> number(d);
      case String s -> quoted(s);
      case Collection<?> c ->
          c.stream().map(Values::representation).collect(Collectors.joining(", ", "[", "]"));
      case Map<?, ?> m ->
          m.entrySet().stream()
              .map(e -> representation(e.getKey()) + ": " + representation(e.getValue()))
              .collect(Collectors.joining(", ", "{", "}"));
      case Callable c -> "<function>";
      default -> v.toString();
    };
  }

  private static String number(double d) {
    if (d == Math.rint(d) && Math.abs(d) < 1e16) {
      return (long) d + ".0";
    }
    if (Double.isNaN(d)) {
      return "nan";
    }
    return Double.isInfinite(d) ? (d > 0 ? "inf" : "-inf") : Double.toString(d).replace("E", "e");
  }

  private static String quoted(String s) {
    char quote = s.indexOf('\'') >= 0 && s.indexOf('"') < 0 ? '"' : '\'';
    StringBuilder out = new StringBuilder().append(quote);
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      switch (c) {
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        case '\\' -> out.append("\\\\");
        default -> out.append(c == quote ? "\\" : "").append(c);
      }
    }
    return out.append(quote).toString();
  }

  static boolean equal(@Nullable Object a, @Nullable Object b) {
    Number x = asNumber(a);
    Number y = asNumber(b);
    if (x != null && y != null) {
      return (x instanceof Long && y instanceof Long)
          ? x.longValue() == y.longValue()
          : x.doubleValue() == y.doubleValue();
    }
    if (a instanceof List<?> p && b instanceof List<?> q) {
      if (p.size() != q.size()) {
        return false;
      }
      for (int i = 0; i < p.size(); i++) {
        if (!equal(p.get(i), q.get(i))) {
          return false;
        }
      }
      return true;
    }
    if (a instanceof Undefined && b instanceof Undefined) {
      return true;
    }
    return Objects.equals(a, b);
  }

  /** Numbers, booleans being 0 and 1; null for anything else. */
  static @Nullable Number asNumber(@Nullable Object v) {
    return switch (v) {
      case Long n -> n;
      case Double d -> d;
      case Boolean b -> b ? 1L : 0L;
      case null, default -> null;
    };
  }

  static int compare(@Nullable Object a, @Nullable Object b) {
    Number x = asNumber(a);
    Number y = asNumber(b);
    if (x != null && y != null) {
      return x instanceof Long && y instanceof Long
          ? Long.compare(x.longValue(), y.longValue())
          : Double.compare(x.doubleValue(), y.doubleValue());
    }
    if (a instanceof String s && b instanceof String t) {
      return s.compareTo(t);
    }
    if (a instanceof List<?> p && b instanceof List<?> q) {
      for (int i = 0; i < Math.min(p.size(), q.size()); i++) {
        if (!equal(p.get(i), q.get(i))) {
          return compare(p.get(i), q.get(i));
        }
      }
      return Integer.compare(p.size(), q.size());
    }
    throw new TemplateException("cannot order " + kind(a) + " and " + kind(b));
  }

  static boolean contains(@Nullable Object container, @Nullable Object what) {
    return switch (container) {
      case String s when what instanceof String t -> s.contains(t);
      case Collection<?> c -> c.stream().anyMatch(e -> equal(e, what));
      case Map<?, ?> m -> m.containsKey(what);
      case Undefined u -> false;
      case null, default ->
          throw new TemplateException("cannot look for something in " + kind(container));
    };
  }

  /** What a loop goes over: elements, keys, characters. */
  static List<@Nullable Object> elements(@Nullable Object v) {
    return switch (v) {
      case Undefined u -> List.of();
      case Collection<?> c -> new ArrayList<>(c);
      case Map<?, ?> m -> new ArrayList<>(m.keySet());
      case String s -> new ArrayList<>(s.codePoints().mapToObj(Character::toString).toList());
      case null, default -> throw new TemplateException(kind(v) + " is not iterable");
    };
  }

  static long length(@Nullable Object v) {
    return v instanceof String s ? s.codePointCount(0, s.length()) : elements(v).size();
  }

  /** An index or key; {@link Undefined} where there is none. */
  static @Nullable Object item(@Nullable Object v, @Nullable Object key) {
    if (v instanceof Undefined u) {
      throw u.error();
    }
    if (v instanceof Map<?, ?> m) {
      return m.containsKey(key) ? m.get(key) : new Undefined(string(key));
    }
    if ((v instanceof List<?> || v instanceof String) && key instanceof Long n) {
      List<@Nullable Object> all = elements(v);
      long i = n < 0 ? n + all.size() : n;
      return i >= 0 && i < all.size() ? all.get((int) i) : new Undefined("element " + n);
    }
    return new Undefined(string(key));
  }

  /** Python's v[start:stop:step]; null for what is left out. */
  static Object slice(
      @Nullable Object v, @Nullable Object start, @Nullable Object stop, @Nullable Object step) {
    List<@Nullable Object> all = elements(v);
    int n = all.size();
    long by = step == null ? 1 : integer(step);
    if (by == 0) {
      throw new TemplateException("a slice with step 0");
    }
    long from = start == null ? (by > 0 ? 0 : n - 1) : bound(integer(start), n, by);
    long to = stop == null ? (by > 0 ? n : -1) : bound(integer(stop), n, by);
    List<@Nullable Object> out = new ArrayList<>();
    for (long i = from; by > 0 ? i < to : i > to; i += by) {
      out.add(all.get((int) i));
    }
    return v instanceof String
        ? out.stream().map(Values::string).collect(Collectors.joining())
        : out;
  }

  private static long bound(long i, int n, long step) {
    long at = i < 0 ? i + n : i;
    return step > 0 ? Math.clamp(at, 0, n) : Math.clamp(at, -1, n - 1);
  }

  static long integer(@Nullable Object v) {
    if (v instanceof Long n) {
      return n;
    }
    if (v instanceof Boolean b) {
      return b ? 1 : 0;
    }
    throw new TemplateException(kind(v) + " where a whole number is expected");
  }

  static Object add(@Nullable Object a, @Nullable Object b) {
    if (a instanceof String s && b instanceof String t) {
      return s + t;
    }
    if (a instanceof List<?> p && b instanceof List<?> q) {
      List<@Nullable Object> out = new ArrayList<>(p);
      out.addAll(q);
      return out;
    }
    return arithmetic("+", a, b);
  }

  static Object arithmetic(String operator, @Nullable Object a, @Nullable Object b) {
    if (operator.equals("*") && a instanceof String s && b instanceof Long n) {
      return repeat(s, n);
    }
    Number x = asNumber(a);
    Number y = asNumber(b);
    if (x == null || y == null) {
      Object bad = b instanceof Undefined ? b : a;
      throw bad instanceof Undefined u
          ? u.error()
          : new TemplateException("cannot compute " + kind(a) + " " + operator + " " + kind(b));
    }
    boolean whole = x instanceof Long && y instanceof Long;
    double p = x.doubleValue();
    double q = y.doubleValue();
    if (q == 0 && (operator.equals("/") || operator.equals("//") || operator.equals("%"))) {
      throw new TemplateException("division by zero");
    }
    long m = x.longValue();
    long n = y.longValue();
    return switch (operator) {
      case "+" -> whole ? (Object) (m + n) : (Object) (p + q);
      case "-" -> whole ? (Object) (m - n) : (Object) (p - q);
      case "*" -> whole ? (Object) (m * n) : (Object) (p * q);
      case "/" -> p / q;
      case "//" -> whole ? (Object) Math.floorDiv(m, n) : (Object) Math.floor(p / q);
      case "%" -> whole ? (Object) Math.floorMod(m, n) : (Object) (p - Math.floor(p / q) * q);
      case "**" -> power(whole && n >= 0, p, q);
      default -> throw new TemplateException("unknown operator " + operator);
    };
  }

  private static Object power(boolean whole, double p, double q) {
    double r = Math.pow(p, q);
    return whole && Math.abs(r) < 0x1p53 ? (Object) (long) r : (Object) r;
  }

  private static String repeat(String s, long n) {
    if (n > 0 && s.length() * n > 1 << 20) {
      throw new TemplateException("a string repeated " + n + " times");
    }
    return s.repeat((int) Math.max(0, n));
  }

  static String kind(@Nullable Object v) {
    return switch (v) {
      case null -> "None";
      case Undefined u -> "an undefined value";
      case Boolean b -> "a boolean";
      case Long n -> "a whole number";
      case Double d -> "a number";
      case String s -> "a string";
      case Collection<?> c -> "a list";
      case Map<?, ?> m -> "a mapping";
      default -> "a function";
    };
  }

  static Iterator<@Nullable Object> iterator(@Nullable Object v) {
    return elements(v).iterator();
  }
}
