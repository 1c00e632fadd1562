package assay.tokenizer.jinja;

import java.util.Collection;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Writes JSON as Python's {@code json.dumps(ensure_ascii=False)} does: a space after : and ,. */
final class Json {
  private final StringBuilder out = new StringBuilder();
  private final int indent;
  private final boolean sortKeys;

  private Json(int indent, boolean sortKeys) {
    this.indent = indent;
    this.sortKeys = sortKeys;
  }

  /**
   * Writes a value.
   *
   * @param indent blanks per level; −1 for one line
   */
  static String write(@Nullable Object value, int indent, boolean sortKeys) {
    Json json = new Json(indent, sortKeys);
    json.write(value, 0);
    return json.out.toString();
  }

  private void write(@Nullable Object v, int level) {
    switch (v) {
      case null -> out.append("null");
      case Boolean b -> out.append(b);
      case String s -> string(s);
      case Long n -> out.append(n);
      case Double d -> out.append(Values.representation(d));
      case Collection<?> c -> elements(c.iterator(), level);
      case Map<?, ?> m -> pairs(m, level);
      case Undefined u -> throw u.error();
      default -> throw new TemplateException(Values.kind(v) + " cannot be written as JSON");
    }
  }

  private void elements(Iterator<?> elements, int level) {
    out.append('[');
    boolean any = elements.hasNext();
    while (elements.hasNext()) {
      newLine(level + 1);
      write(elements.next(), level + 1);
      separator(elements.hasNext());
    }
    close(any, level, ']');
  }

  private void pairs(Map<?, ?> m, int level) {
    out.append('{');
    List<?> keys =
        sortKeys ? m.keySet().stream().sorted(Values::compare).toList() : List.copyOf(m.keySet());
    Iterator<?> i = keys.iterator();
    while (i.hasNext()) {
      Object key = i.next();
      newLine(level + 1);
      string(Values.string(key));
      out.append(": ");
      write(m.get(key), level + 1);
      separator(i.hasNext());
    }
    close(!keys.isEmpty(), level, '}');
  }

  private void newLine(int level) {
    if (indent >= 0) {
      out.append('\n').repeat(' ', indent * level);
    }
  }

  private void separator(boolean more) {
    if (more) {
      out.append(indent >= 0 ? "," : ", ");
    }
  }

  private void close(boolean any, int level, char bracket) {
    if (any) {
      newLine(level);
    }
    out.append(bracket);
  }

  private void string(String s) {
    out.append('"');
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      switch (c) {
        case '"' -> out.append("\\\"");
        case '\\' -> out.append("\\\\");
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        case '\b' -> out.append("\\b");
        case '\f' -> out.append("\\f");
        default -> {
          if (c < ' ') {
            out.append("\\u%04x".formatted((int) c));
          } else {
            out.append(c);
          }
        }
      }
    }
    out.append('"');
  }
}
