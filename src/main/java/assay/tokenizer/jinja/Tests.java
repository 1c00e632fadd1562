package assay.tokenizer.jinja;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What can stand after {@code is}. */
final class Tests {
  private Tests() {}

  static boolean holds(String name, @Nullable Object v, List<@Nullable Object> arguments) {
    return switch (name) {
      case "defined" -> !(v instanceof Undefined);
      case "undefined" -> v instanceof Undefined;
      case "none" -> v == null;
      case "boolean" -> v instanceof Boolean;
      case "true" -> Boolean.TRUE.equals(v);
      case "false" -> Boolean.FALSE.equals(v);
      case "integer" -> v instanceof Long;
      case "float" -> v instanceof Double;
      case "number" -> v instanceof Long || v instanceof Double || v instanceof Boolean;
      case "string" -> v instanceof String;
      case "mapping" -> v instanceof Map<?, ?>;
      case "iterable" ->
          v instanceof String
              || v instanceof List<?>
              || v instanceof Map<?, ?>
              || v instanceof Undefined;
      case "sequence" -> v instanceof String || v instanceof List<?> || v instanceof Map<?, ?>;
      case "callable" -> v instanceof Callable;
      case "odd" -> Math.floorMod(Values.integer(v), 2) == 1;
      case "even" -> Math.floorMod(Values.integer(v), 2) == 0;
      case "lower" -> v instanceof String s && s.equals(s.toLowerCase(Locale.ROOT));
      case "upper" -> v instanceof String s && s.equals(s.toUpperCase(Locale.ROOT));
      default -> compared(name, v, arguments);
    };
  }

  private static boolean compared(
      String name, @Nullable Object v, List<@Nullable Object> arguments) {
    Object other = arguments.isEmpty() ? new Undefined("the test's argument") : arguments.get(0);
    return switch (name) {
      case "eq", "equalto" -> Values.equal(v, other);
      case "sameas" ->
          Values.equal(v, other) && (v instanceof Boolean) == (other instanceof Boolean);
      case "ne" -> !Values.equal(v, other);
      case "lt", "lessthan" -> Values.compare(v, other) < 0;
      case "le" -> Values.compare(v, other) <= 0;
      case "gt", "greaterthan" -> Values.compare(v, other) > 0;
      case "ge" -> Values.compare(v, other) >= 0;
      case "in" -> Values.contains(other, v);
      case "divisibleby" -> {
        long by = Values.integer(other);
        if (by == 0) {
          throw new TemplateException("division by zero");
        }
        yield Values.integer(v) % by == 0;
      }
      default -> throw new TemplateException("unknown test '" + name + "'");
    };
  }
}
