package assay.train.stories;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A context-free grammar with variables. {@code @rule field field} begins a rule; each line below
 * it is one alternative, its fields separated by {@code " | "}. In an alternative
 *
 * <ul>
 *   <li>{@code {rule}} prints one alternative of the rule, chosen at random;
 *   <li>{@code {x=rule}} chooses now and prints nothing, {@code {x=rule!y}} another one than y;
 *   <li>{@code {x}} and {@code {x.field}} print what was chosen, from then on and in every rule;
 *   <li>{@code {^…}} prints with a capital letter, {@code {an …}} with "a" or "an" before it;
 *   <li>{@code \n} ends a paragraph.
 * </ul>
 *
 * Every name is checked when the grammar is read, so that no story stumbles later.
 */
public final class Grammar {
  private static final Pattern BRACES = Pattern.compile("\\{([^{}]*)}");
  private static final Pattern REFERENCE =
      Pattern.compile("(\\^?)(an )?([a-zA-Z]+)(?:\\.([a-z]+))?");
  private static final Pattern BINDING =
      Pattern.compile("([a-z]+)=([a-zA-Z]+)(?:!([a-z]+))?(?:\\.)?");
  private static final int DEEPEST = 64;

  private final Map<String, Rule> rules;

  private record Rule(String name, List<String> fields, List<Choice> choices) {}

  private record Choice(Rule rule, List<List<Part>> fields) {
    List<Part> field(@Nullable String name) {
      return fields.get(name == null ? 0 : rule.fields.indexOf(name) + 1);
    }
  }

  private sealed interface Part {}

  private record Text(String text) implements Part {}

  private record Reference(boolean capital, boolean article, String name, @Nullable String field)
      implements Part {}

  private record Binding(String variable, String rule, @Nullable String other) implements Part {}

  private Grammar(Map<String, Rule> rules) {
    this.rules = rules;
  }

  /**
   * Reads a grammar.
   *
   * @throws IllegalArgumentException with the line, for anything that could not be expanded
   */
  public static Grammar parse(String text) {
    Map<String, Rule> rules = new HashMap<>();
    Rule current = null;
    int number = 0;
    for (String line : text.split("\n")) {
      number++;
      if (line.isBlank() || line.startsWith("#")) {
        continue;
      }
      if (line.startsWith("@")) {
        List<String> words = List.of(line.substring(1).strip().split(" +"));
        current = new Rule(words.getFirst(), words.subList(1, words.size()), new ArrayList<>());
        if (rules.put(current.name, current) != null) {
          throw new IllegalArgumentException("line " + number + ": second rule " + current.name);
        }
      } else if (current == null) {
        throw new IllegalArgumentException("line " + number + ": an alternative before any rule");
      } else {
        current.choices.add(choice(current, line, number));
      }
    }
    Grammar g = new Grammar(rules);
    g.check();
    return g;
  }

  private static Choice choice(Rule rule, String line, int number) {
    String[] fields = line.split(" \\| ", -1);
    if (fields.length != rule.fields.size() + 1) {
      throw new IllegalArgumentException(
          "line %d: %d fields, rule %s has %d"
              .formatted(number, fields.length, rule.name, rule.fields.size() + 1));
    }
    List<List<Part>> parts = new ArrayList<>();
    for (String field : fields) {
      parts.add(parts(field.strip().replace("\\n", "\n"), number));
    }
    return new Choice(rule, parts);
  }

  private static List<Part> parts(String text, int number) {
    List<Part> parts = new ArrayList<>();
    Matcher m = BRACES.matcher(text);
    int at = 0;
    while (m.find()) {
      if (m.start() > at) {
        parts.add(new Text(text.substring(at, m.start())));
      }
      parts.add(part(m.group(1), number));
      at = m.end();
    }
    if (at < text.length()) {
      parts.add(new Text(text.substring(at)));
    }
    return parts;
  }

  private static Part part(String inside, int number) {
    Matcher binding = BINDING.matcher(inside);
    if (binding.matches()) {
      return new Binding(binding.group(1), binding.group(2), binding.group(3));
    }
    Matcher reference = REFERENCE.matcher(inside);
    if (reference.matches()) {
      return new Reference(
          !reference.group(1).isEmpty(),
          reference.group(2) != null,
          reference.group(3),
          reference.group(4));
    }
    throw new IllegalArgumentException("line " + number + ": cannot read {" + inside + "}");
  }

  private void check() {
    Map<String, Set<String>> variables = new HashMap<>();
    forEachPart(
        part -> {
          if (part instanceof Binding b) {
            variables.computeIfAbsent(b.variable, v -> new HashSet<>()).add(b.rule);
            requireRule(b.rule);
          }
        });
    forEachPart(
        part -> {
          if (part instanceof Reference r && r.field != null) {
            for (String rule : variables.getOrDefault(r.name, Set.of(r.name))) {
              if (!requireRule(rule).fields.contains(r.field)) {
                throw new IllegalArgumentException("rule " + rule + " has no field " + r.field);
              }
            }
          } else if (part instanceof Reference r && !variables.containsKey(r.name)) {
            requireRule(r.name);
          }
        });
  }

  private Rule requireRule(String name) {
    Rule rule = rules.get(name);
    if (rule == null || rule.choices.isEmpty()) {
      throw new IllegalArgumentException("no rule " + name);
    }
    return rule;
  }

  private void forEachPart(java.util.function.Consumer<Part> action) {
    for (Rule rule : rules.values()) {
      for (Choice choice : rule.choices) {
        choice.fields.forEach(field -> field.forEach(action));
      }
    }
  }

  /** Alternatives of all rules together. */
  public int alternatives() {
    return rules.values().stream().mapToInt(r -> r.choices.size()).sum();
  }

  /** One text from {@code rule}. */
  public String expand(String rule, SplittableRandom random) {
    StringBuilder out = new StringBuilder();
    new Expansion(random).print(requireRule(rule), out);
    return out.toString();
  }

  /** One text in the making: what its variables stand for. */
  private final class Expansion {
    private final SplittableRandom random;
    private final Map<String, Choice> bound = new HashMap<>();
    private int depth;

    Expansion(SplittableRandom random) {
      this.random = random;
    }

    private Choice choose(Rule rule) {
      return rule.choices.get(random.nextInt(rule.choices.size()));
    }

    void print(Rule rule, StringBuilder out) {
      print(choose(rule).field(null), out);
    }

    private void print(List<Part> parts, StringBuilder out) {
      if (++depth > DEEPEST) {
        throw new IllegalStateException("rules contain themselves");
      }
      for (Part part : parts) {
        switch (part) {
          case Text t -> out.append(t.text);
          case Binding b -> bind(b);
          case Reference r -> print(r, out);
        }
      }
      depth--;
    }

    private void bind(Binding b) {
      Rule rule = requireRule(b.rule);
      Choice choice = choose(rule);
      Choice other = b.other == null ? null : bound.get(b.other);
      // By text: the other may come from another rule with some of the same words.
      while (other != null && other.field(null).equals(choice.field(null))) {
        choice = choose(rule);
      }
      bound.put(b.variable, choice);
    }

    private void print(Reference r, StringBuilder out) {
      StringBuilder text = new StringBuilder();
      Choice choice = bound.get(r.name);
      if (choice == null) {
        choice = choose(requireRule(r.name));
      }
      print(choice.field(r.field), text);
      if (r.article) {
        text.insert(0, "aeiou".indexOf(text.charAt(0)) >= 0 ? "an " : "a ");
      }
      if (r.capital) {
        text.setCharAt(0, Character.toUpperCase(text.charAt(0)));
      }
      out.append(text);
    }
  }
}
