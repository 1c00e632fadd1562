package assay.tokenizer.jinja;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Names and their values; loops and macros have scopes of their own inside others. */
final class Scope {
  /** A template that runs longer than this never ends. */
  private static final int MAX_STEPS = 5_000_000;

  private static final int MAX_DEPTH = 100;

  private final @Nullable Scope outer;
  private final Map<String, @Nullable Object> values = new HashMap<>();
  private final Meter meter;
  private final int depth;

  /** Shared by all scopes of one run. */
  private static final class Meter {
    private int steps;
    private int calls;
  }

  Scope(Map<String, ? extends @Nullable Object> globals) {
    outer = null;
    values.putAll(globals);
    meter = new Meter();
    depth = 0;
  }

  private Scope(Scope outer) {
    this.outer = outer;
    meter = outer.meter;
    depth = outer.depth + 1;
    if (depth > MAX_DEPTH) {
      throw new TemplateException("loops or macros nest more than " + MAX_DEPTH + " deep");
    }
  }

  Scope inner() {
    return new Scope(this);
  }

  @Nullable Object get(String name) {
    for (Scope s = this; s != null; s = s.outer) {
      if (s.values.containsKey(name)) {
        return s.values.get(name);
      }
    }
    return new Undefined(name);
  }

  void set(String name, @Nullable Object value) {
    values.put(name, value);
  }

  void step() {
    if (++meter.steps > MAX_STEPS) {
      throw new TemplateException("does not end");
    }
  }

  /** Before a macro's body runs. */
  void enter() {
    if (++meter.calls > MAX_DEPTH) {
      throw new TemplateException("macros call each other more than " + MAX_DEPTH + " deep");
    }
  }

  /** After it has run. */
  void leave() {
    meter.calls--;
  }
}
