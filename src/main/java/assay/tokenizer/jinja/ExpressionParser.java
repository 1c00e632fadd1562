package assay.tokenizer.jinja;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Reads expressions, in the order of binding of Jinja's own parser. */
final class ExpressionParser {
  private static final int MAX_DEPTH = 200;

  private final Tokens tokens;
  private int depth;

  ExpressionParser(Tokens tokens) {
    this.tokens = tokens;
  }

  /** Arguments of a call. */
  record Arguments(List<Expression> positional, Map<String, Expression> named) {
    static final Arguments NONE = new Arguments(List.of(), Map.of());

    List<@Nullable Object> evaluate(Scope scope) {
      List<@Nullable Object> out = new ArrayList<>();
      positional.forEach(e -> out.add(e.evaluate(scope)));
      return out;
    }

    Map<String, @Nullable Object> evaluateNamed(Scope scope) {
      Map<String, @Nullable Object> out = new LinkedHashMap<>();
      named.forEach((name, e) -> out.put(name, e.evaluate(scope)));
      return out;
    }
  }

  /** A whole expression; several with commas between are a tuple. */
  Expression parseTuple() {
    Expression first = parse();
    if (!tokens.peek().isOperator(",")) {
      return first;
    }
    List<Expression> all = new ArrayList<>(List.of(first));
    while (tokens.takeOperator(",") && tokens.peek().kind() != Token.Kind.END) {
      all.add(parse());
    }
    return list(all);
  }

  Expression parse() {
    if (++depth > MAX_DEPTH) {
      throw tokens.error("an expression nests more than " + MAX_DEPTH + " deep");
    }
    Expression e = or();
    while (tokens.takeName("if")) {
      Expression then = e;
      Expression condition = or();
      Expression otherwise = tokens.takeName("else") ? parse() : s -> new Undefined("else");
      e = s -> Values.truth(condition.evaluate(s)) ? then.evaluate(s) : otherwise.evaluate(s);
    }
    depth--;
    return e;
  }

  /** Without a conditional: what stands after {@code in} of a loop, whose if is its own. */
  Expression or() {
    Expression left = and();
    while (tokens.takeName("or")) {
      Expression a = left;
      Expression b = and();
      left =
          s -> {
            Object v = a.evaluate(s);
            return Values.truth(v) ? v : b.evaluate(s);
          };
    }
    return left;
  }

  private Expression and() {
    Expression left = not();
    while (tokens.takeName("and")) {
      Expression a = left;
      Expression b = not();
      left =
          s -> {
            Object v = a.evaluate(s);
            return Values.truth(v) ? b.evaluate(s) : v;
          };
    }
    return left;
  }

  private Expression not() {
    boolean negated = false;
    while (tokens.takeName("not")) {
      negated = !negated;
      Expression inner = notOperand();
      boolean odd = negated;
      return s -> Values.truth(inner.evaluate(s)) != odd;
    }
    return compare();
  }

  private Expression notOperand() {
    if (++depth > MAX_DEPTH) {
      throw tokens.error("an expression nests more than " + MAX_DEPTH + " deep");
    }
    Expression e = not();
    depth--;
    return e;
  }

  private interface Comparison {
    boolean holds(@Nullable Object a, @Nullable Object b);
  }

  private Expression compare() {
    Expression first = sum();
    List<Comparison> comparisons = new ArrayList<>();
    List<Expression> operands = new ArrayList<>();
    for (Comparison c = comparison(); c != null; c = comparison()) {
      comparisons.add(c);
      operands.add(sum());
    }
    if (comparisons.isEmpty()) {
      return first;
    }
    return s -> {
      Object left = first.evaluate(s);
      for (int i = 0; i < operands.size(); i++) {
        Object right = operands.get(i).evaluate(s);
        if (!comparisons.get(i).holds(left, right)) {
          return false;
        }
        left = right;
      }
      return true;
    };
  }

  private @Nullable Comparison comparison() {
    Token t = tokens.peek();
    if (t.isName("in")) {
      tokens.next();
      return (a, b) -> Values.contains(b, a);
    }
    if (t.isName("not") && tokens.peekSecond().isName("in")) {
      tokens.next();
      tokens.next();
      return (a, b) -> !Values.contains(b, a);
    }
    Comparison c = t.kind() == Token.Kind.OPERATOR ? comparison(t.text()) : null;
    if (c != null) {
      tokens.next();
    }
    return c;
  }

  private static @Nullable Comparison comparison(String operator) {
    return switch (operator) {
      case "==" -> Values::equal;
      case "!=" -> (a, b) -> !Values.equal(a, b);
      case "<" -> (a, b) -> Values.compare(a, b) < 0;
      case "<=" -> (a, b) -> Values.compare(a, b) <= 0;
      case ">" -> (a, b) -> Values.compare(a, b) > 0;
      case ">=" -> (a, b) -> Values.compare(a, b) >= 0;
      default -> null;
    };
  }

  private Expression sum() {
    Expression left = concatenation();
    while (tokens.peek().isOperator("+") || tokens.peek().isOperator("-")) {
      boolean plus = tokens.next().text().equals("+");
      Expression a = left;
      Expression b = concatenation();
      left =
          plus
              ? s -> Values.add(a.evaluate(s), b.evaluate(s))
              : s -> Values.arithmetic("-", a.evaluate(s), b.evaluate(s));
    }
    return left;
  }

  private Expression concatenation() {
    Expression left = product();
    while (tokens.takeOperator("~")) {
      Expression a = left;
      Expression b = product();
      left = s -> Values.string(a.evaluate(s)) + Values.string(b.evaluate(s));
    }
    return left;
  }

  private Expression product() {
    Expression left = power();
    while (List.of("*", "/", "//", "%").contains(tokens.peek().text())
        && tokens.peek().kind() == Token.Kind.OPERATOR) {
      String operator = tokens.next().text();
      Expression a = left;
      Expression b = power();
      left = s -> Values.arithmetic(operator, a.evaluate(s), b.evaluate(s));
    }
    return left;
  }

  private Expression power() {
    Expression left = unary(true);
    while (tokens.takeOperator("**")) {
      Expression a = left;
      Expression b = unary(true);
      left = s -> Values.arithmetic("**", a.evaluate(s), b.evaluate(s));
    }
    return left;
  }

  private Expression unary(boolean filters) {
    Expression e;
    if (tokens.takeOperator("-")) {
      Expression inner = nested(() -> unary(false));
      e = s -> Values.arithmetic("-", 0L, inner.evaluate(s));
    } else if (tokens.takeOperator("+")) {
      Expression inner = nested(() -> unary(false));
      e = s -> Values.arithmetic("+", 0L, inner.evaluate(s));
    } else {
      e = postfix(primary());
    }
    return filters ? filtered(e) : e;
  }

  private Expression nested(java.util.function.Supplier<Expression> parser) {
    if (++depth > MAX_DEPTH) {
      throw tokens.error("an expression nests more than " + MAX_DEPTH + " deep");
    }
    Expression e = parser.get();
    depth--;
    return e;
  }

  private Expression primary() {
    Token t = tokens.peek();
    switch (t.kind()) {
      case NAME -> {
        return name(tokens.next().text());
      }
      case STRING -> {
        StringBuilder all = new StringBuilder();
        while (tokens.peek().kind() == Token.Kind.STRING) {
          all.append(tokens.next().text());
        }
        String value = all.toString();
        return s -> value;
      }
      case INTEGER, FLOAT -> {
        Object value = number(tokens.next());
        return s -> value;
      }
      default -> {}
    }
    if (tokens.takeOperator("(")) {
      return nested(this::parenthesised);
    }
    if (tokens.takeOperator("[")) {
      return nested(() -> list(elements("]")));
    }
    if (tokens.takeOperator("{")) {
      return nested(this::mapping);
    }
    throw tokens.unexpected("an expression");
  }

  private Object number(Token t) {
    try {
      String digits = t.text().replace("_", "");
      return t.kind() == Token.Kind.FLOAT
          ? (Object) Double.parseDouble(digits)
          : (Object) Long.parseLong(digits);
    } catch (NumberFormatException e) {
      throw tokens.error("'" + t.text() + "' is no number");
    }
  }

  private static Expression name(String name) {
    return switch (name) {
      case "true", "True" -> s -> true;
      case "false", "False" -> s -> false;
      case "none", "None" -> s -> null;
      default -> s -> s.get(name);
    };
  }

  private Expression parenthesised() {
    if (tokens.takeOperator(")")) {
      return list(List.of());
    }
    Expression first = parse();
    if (tokens.takeOperator(")")) {
      return first;
    }
    tokens.expectOperator(",");
    List<Expression> all = new ArrayList<>(List.of(first));
    all.addAll(elements(")"));
    return list(all);
  }

  private List<Expression> elements(String close) {
    List<Expression> out = new ArrayList<>();
    while (!tokens.takeOperator(close)) {
      out.add(parse());
      if (!tokens.peek().isOperator(close)) {
        tokens.expectOperator(",");
      }
    }
    return out;
  }

  private static Expression list(List<Expression> elements) {
    return s -> {
      List<@Nullable Object> out = new ArrayList<>();
      for (Expression e : elements) {
        out.add(e.evaluate(s));
      }
      return out;
    };
  }

  private Expression mapping() {
    Map<Expression, Expression> pairs = new LinkedHashMap<>();
    while (!tokens.takeOperator("}")) {
      Expression key = parse();
      tokens.expectOperator(":");
      pairs.put(key, parse());
      if (!tokens.peek().isOperator("}")) {
        tokens.expectOperator(",");
      }
    }
    return s -> {
      Map<@Nullable Object, @Nullable Object> out = new LinkedHashMap<>();
      pairs.forEach((key, value) -> out.put(key.evaluate(s), value.evaluate(s)));
      return out;
    };
  }

  private Expression postfix(Expression start) {
    Expression e = start;
    while (true) {
      Expression target = e;
      if (tokens.takeOperator(".")) {
        e = attribute(target);
      } else if (tokens.takeOperator("[")) {
        e = nested(() -> subscript(target));
      } else if (tokens.takeOperator("(")) {
        Arguments arguments = arguments();
        e = s -> call(target.evaluate(s), arguments, s);
      } else {
        return e;
      }
    }
  }

  private Expression attribute(Expression target) {
    if (tokens.peek().kind() == Token.Kind.INTEGER) {
      Object index = number(tokens.next());
      return s -> Values.item(target.evaluate(s), index);
    }
    String name = tokens.name();
    return s -> Methods.attribute(target.evaluate(s), name);
  }

  private Expression subscript(Expression target) {
    Expression start = tokens.peek().isOperator(":") ? null : parse();
    if (start != null && tokens.takeOperator("]")) {
      return s -> Methods.subscript(target.evaluate(s), start.evaluate(s));
    }
    tokens.expectOperator(":");
    Expression stop = isSliceEnd() ? null : parse();
    Expression step = null;
    if (tokens.takeOperator(":")) {
      step = isSliceEnd() ? null : parse();
    }
    tokens.expectOperator("]");
    Expression by = step;
    return s ->
        Values.slice(target.evaluate(s), optional(start, s), optional(stop, s), optional(by, s));
  }

  private boolean isSliceEnd() {
    return tokens.peek().isOperator(":") || tokens.peek().isOperator("]");
  }

  private static @Nullable Object optional(@Nullable Expression e, Scope s) {
    return e == null ? null : e.evaluate(s);
  }

  /** After the opening parenthesis. */
  Arguments arguments() {
    List<Expression> positional = new ArrayList<>();
    Map<String, Expression> named = new LinkedHashMap<>();
    while (!tokens.takeOperator(")")) {
      if (tokens.peek().kind() == Token.Kind.NAME && tokens.peekSecond().isOperator("=")) {
        String name = tokens.name();
        tokens.next();
        named.put(name, parse());
      } else {
        positional.add(parse());
      }
      if (!tokens.peek().isOperator(")")) {
        tokens.expectOperator(",");
      }
    }
    return new Arguments(positional, named);
  }

  static @Nullable Object call(@Nullable Object function, Arguments arguments, Scope s) {
    s.step();
    return switch (function) {
      case Callable c -> c.call(arguments.evaluate(s), arguments.evaluateNamed(s));
      case Undefined u -> throw u.error();
      case null, default -> throw new TemplateException(Values.kind(function) + " is called");
    };
  }

  /** Filters and tests after an expression. */
  private Expression filtered(Expression start) {
    Expression e = start;
    while (true) {
      Expression target = e;
      if (tokens.takeOperator("|")) {
        e = filter(target);
      } else if (tokens.takeName("is")) {
        e = test(target);
      } else if (tokens.takeOperator("(")) {
        Arguments arguments = arguments();
        e = s -> call(target.evaluate(s), arguments, s);
      } else {
        return e;
      }
    }
  }

  /** After the bar. */
  Expression filter(Expression target) {
    String name = tokens.name();
    Arguments arguments = tokens.takeOperator("(") ? arguments() : Arguments.NONE;
    return s -> {
      s.step();
      return Filters.apply(
          name, target.evaluate(s), arguments.evaluate(s), arguments.evaluateNamed(s));
    };
  }

  private Expression test(Expression target) {
    boolean negated = tokens.takeName("not");
    String name = tokens.name();
    Arguments arguments = Arguments.NONE;
    if (tokens.takeOperator("(")) {
      arguments = arguments();
    } else if (startsTestArgument(tokens.peek())) {
      arguments = new Arguments(List.of(postfix(primary())), Map.of());
    }
    Arguments given = arguments;
    return s -> Tests.holds(name, target.evaluate(s), given.evaluate(s)) != negated;
  }

  private static boolean startsTestArgument(Token t) {
    return switch (t.kind()) {
      case STRING, INTEGER, FLOAT -> true;
      case NAME -> !List.of("else", "or", "and", "is", "if", "not", "in").contains(t.text());
      case OPERATOR -> t.text().equals("[") || t.text().equals("{");
      default -> false;
    };
  }
}
