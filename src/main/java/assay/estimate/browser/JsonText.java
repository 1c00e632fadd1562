package assay.estimate.browser;

import java.util.Collection;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Maps, lists, numbers, words and nothing as JSON; numbers that are not finite become null. */
final class JsonText {
  private final StringBuilder out = new StringBuilder();

  private JsonText() {}

  static String of(Map<String, ? extends @Nullable Object> value) {
    JsonText text = new JsonText();
    text.value(value);
    return text.out.toString();
  }

  private void value(@Nullable Object v) {
    switch (v) {
      case Map<?, ?> map -> map(map);
      case Collection<?> list -> list(list);
      case Double d when !Double.isFinite(d) -> out.append("null");
      case Number n -> out.append(n);
      case Boolean b -> out.append(b.booleanValue());
      case null -> out.append("null");
      default -> string(v.toString());
    }
  }

  private void map(Map<?, ?> map) {
    String comma = "{";
    for (Map.Entry<?, ?> e : map.entrySet()) {
      out.append(comma);
      string(String.valueOf(e.getKey()));
      out.append(':');
      value(e.getValue());
      comma = ",";
    }
    out.append(map.isEmpty() ? "{}" : "}");
  }

  private void list(Collection<?> list) {
    String comma = "[";
    for (Object o : list) {
      out.append(comma);
      value(o);
      comma = ",";
    }
    out.append(list.isEmpty() ? "[]" : "]");
  }

  private void string(String s) {
    out.append('"');
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      if (c == '"' || c == '\\') {
        out.append('\\').append(c);
      } else if (c < 0x20) {
        out.append("\\u00").append(c < 0x10 ? "0" : "").append(Integer.toHexString(c));
      } else {
        out.append(c);
      }
    }
    out.append('"');
  }
}
