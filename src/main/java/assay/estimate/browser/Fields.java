package assay.estimate.browser;

import assay.model.UserError;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Named values as text, one {@code name=value} a line: how facts cross into the page. */
final class Fields {
  private final Map<String, String> values = new LinkedHashMap<>();

  /** Values from lines; what is no such line is refused. */
  static Fields parse(String text) {
    Fields f = new Fields();
    for (String line : text.split("\n")) {
      int equals = line.indexOf('=');
      if (equals > 0) {
        f.values.put(line.substring(0, equals), line.substring(equals + 1));
      } else if (!line.isEmpty()) {
        throw new UserError("'" + line + "': expected name=value");
      }
    }
    return f;
  }

  /** Adds a value; null is left out. */
  Fields put(String name, @Nullable Object value) {
    if (value != null) {
      values.put(name, value.toString().replace('\n', ' ').replace('\r', ' '));
    }
    return this;
  }

  @Nullable String text(String name) {
    return values.get(name);
  }

  String need(String name) {
    String value = values.get(name);
    if (value == null) {
      throw new UserError("no " + name + " was given");
    }
    return value;
  }

  int integer(String name) {
    long value = wholeNumber(name);
    if (value != (int) value) {
      throw new UserError(name + " " + value + " is too large");
    }
    return (int) value;
  }

  long wholeNumber(String name) {
    String value = need(name);
    try {
      return Long.parseLong(value);
    } catch (NumberFormatException e) {
      throw new UserError(name + " '" + value + "': expected a whole number");
    }
  }

  double number(String name) {
    String value = need(name);
    try {
      return Double.parseDouble(value);
    } catch (NumberFormatException e) {
      throw new UserError(name + " '" + value + "': expected a number");
    }
  }

  @Nullable Double maybe(String name) {
    return values.containsKey(name) ? number(name) : null;
  }

  boolean truth(String name) {
    return need(name).equals("true");
  }

  /** Names that begin so, without that beginning. */
  List<String> below(String prefix) {
    List<String> out = new ArrayList<>();
    for (String name : values.keySet()) {
      if (name.startsWith(prefix)) {
        out.add(name.substring(prefix.length()));
      }
    }
    return out;
  }

  @Override
  public String toString() {
    StringBuilder out = new StringBuilder();
    values.forEach((name, value) -> out.append(name).append('=').append(value).append('\n'));
    return out.toString();
  }
}
