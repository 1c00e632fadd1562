package assay.tokenizer.jinja;

import assay.tokenizer.jinja.Statement.Flow;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Reads text and statements. */
final class TemplateParser {
  private static final int MAX_DEPTH = 100;

  private final Tokens tokens;
  private final ExpressionParser expressions;
  private int depth;

  private TemplateParser(Tokens tokens) {
    this.tokens = tokens;
    this.expressions = new ExpressionParser(tokens);
  }

  static List<Statement> parse(String template) {
    TemplateParser p = new TemplateParser(new Tokens(Lexer.tokens(template)));
    List<Statement> body = p.body();
    if (p.tokens.peek().kind() != Token.Kind.EOF) {
      throw p.tokens.error("'" + p.tokens.peekSecond().text() + "' without its beginning");
    }
    return body;
  }

  /** Statements up to a block tag with one of these names, which stays, or to the end. */
  private List<Statement> body(String... ends) {
    if (++depth > MAX_DEPTH) {
      throw tokens.error("statements nest more than " + MAX_DEPTH + " deep");
    }
    List<Statement> out = new ArrayList<>();
    while (true) {
      Token t = tokens.peek();
      switch (t.kind()) {
        case DATA -> {
          String text = tokens.next().text();
          out.add(
              (scope, output) -> {
                output.append(text);
                return Flow.ON;
              });
        }
        case PRINT_BEGIN -> out.add(print());
        case BLOCK_BEGIN -> {
          String name = tokens.peekSecond().text();
          if (List.of(ends).contains(name) || isEnd(name)) {
            depth--;
            return out;
          }
          tokens.next();
          out.add(statement());
        }
        default -> {
          if (ends.length > 0) {
            throw tokens.unexpected("'" + ends[ends.length - 1] + "'");
          }
          depth--;
          return out;
        }
      }
    }
  }

  private static boolean isEnd(String name) {
    return name.startsWith("end") || name.equals("else") || name.equals("elif");
  }

  private Statement print() {
    tokens.next();
    Expression e = expressions.parseTuple();
    tokens.end();
    return (scope, out) -> {
      out.append(Values.string(e.evaluate(scope)));
      return Flow.ON;
    };
  }

  private Statement statement() {
    String name = tokens.name();
    return switch (name) {
      case "if" -> conditional();
      case "for" -> loop();
      case "set" -> assignment();
      case "macro" -> macro();
      case "filter" -> filterBlock();
      case "call" -> callBlock();
      case "generation" -> {
        tokens.end();
        List<Statement> body = body("endgeneration");
        closing("endgeneration");
        yield (scope, out) -> Statement.runAll(body, scope, out);
      }
      case "break" -> {
        tokens.end();
        yield (scope, out) -> Flow.BREAK;
      }
      case "continue" -> {
        tokens.end();
        yield (scope, out) -> Flow.CONTINUE;
      }
      default -> throw tokens.error("unknown statement '" + name + "'");
    };
  }

  private void closing(String name) {
    if (tokens.peek().kind() != Token.Kind.BLOCK_BEGIN || !tokens.peekSecond().isName(name)) {
      throw tokens.unexpected("'" + name + "'");
    }
    tokens.next();
    tokens.next();
    tokens.end();
  }

  private record Branch(Expression condition, List<Statement> body) {}

  private Statement conditional() {
    List<Branch> branches = new ArrayList<>();
    Expression condition = expressions.parseTuple();
    while (true) {
      tokens.end();
      branches.add(new Branch(condition, body("elif", "else", "endif")));
      if (tokens.peekSecond().isName("elif")) {
        tokens.next();
        tokens.next();
        condition = expressions.parseTuple();
      } else if (tokens.peekSecond().isName("else")) {
        closing("else");
        branches.add(new Branch(scope -> true, body("endif")));
        break;
      } else {
        break;
      }
    }
    closing("endif");
    return (scope, out) -> {
      for (Branch b : branches) {
        if (Values.truth(b.condition().evaluate(scope))) {
          return Statement.runAll(b.body(), scope, out);
        }
      }
      return Flow.ON;
    };
  }

  private Statement loop() {
    List<String> targets = names();
    tokens.expectName("in");
    Expression over = expressions.or();
    Expression only = tokens.takeName("if") ? expressions.parse() : null;
    tokens.takeName("recursive");
    tokens.end();
    List<Statement> body = body("else", "endfor");
    List<Statement> otherwise = List.of();
    if (tokens.peekSecond().isName("else")) {
      closing("else");
      otherwise = body("endfor");
    }
    closing("endfor");
    return new Loop(targets, over, only, body, otherwise);
  }

  private List<String> names() {
    boolean parenthesised = tokens.takeOperator("(");
    List<String> out = new ArrayList<>();
    do {
      out.add(tokens.name());
    } while (tokens.takeOperator(","));
    if (parenthesised) {
      tokens.expectOperator(")");
    }
    return out;
  }

  /** Gives names their values: one, or the elements of a list. */
  static void bind(Scope scope, List<String> names, @Nullable Object value) {
    if (names.size() == 1) {
      scope.set(names.getFirst(), value);
      return;
    }
    List<@Nullable Object> parts = Values.elements(value);
    if (parts.size() != names.size()) {
      throw new TemplateException("%d values for %d names".formatted(parts.size(), names.size()));
    }
    for (int i = 0; i < parts.size(); i++) {
      scope.set(names.get(i), parts.get(i));
    }
  }

  private Statement assignment() {
    List<String> targets = names();
    String attribute = tokens.takeOperator(".") ? tokens.name() : null;
    if (tokens.takeOperator("=")) {
      Expression value = expressions.parseTuple();
      tokens.end();
      return (scope, out) -> {
        assign(scope, targets, attribute, value.evaluate(scope));
        return Flow.ON;
      };
    }
    Expression[] captured = {scope -> scope.get("\0captured")};
    while (tokens.takeOperator("|")) {
      captured[0] = expressions.filter(captured[0]);
    }
    tokens.end();
    List<Statement> body = body("endset");
    closing("endset");
    Expression filtered = captured[0];
    return (scope, out) -> {
      Scope inner = scope.inner();
      inner.set("\0captured", capture(body, scope.inner()));
      assign(scope, targets, attribute, filtered.evaluate(inner));
      return Flow.ON;
    };
  }

  private static void assign(
      Scope scope, List<String> targets, @Nullable String attribute, @Nullable Object value) {
    if (attribute == null) {
      bind(scope, targets, value);
      return;
    }
    if (!(scope.get(targets.getFirst()) instanceof Namespace n)) {
      throw new TemplateException(
          "'%s' is no namespace: its attributes cannot be set".formatted(targets.getFirst()));
    }
    n.values().put(attribute, value);
  }

  static String capture(List<Statement> body, Scope scope) {
    Output out = new Output();
    Statement.runAll(body, scope, out);
    return out.toString();
  }

  private record Parameters(List<String> names, Map<String, Expression> defaults) {}

  private Parameters parameters() {
    List<String> names = new ArrayList<>();
    Map<String, Expression> defaults = new LinkedHashMap<>();
    while (!tokens.takeOperator(")")) {
      String name = tokens.name();
      names.add(name);
      if (tokens.takeOperator("=")) {
        defaults.put(name, expressions.parse());
      }
      if (!tokens.peek().isOperator(")")) {
        tokens.expectOperator(",");
      }
    }
    return new Parameters(names, defaults);
  }

  private Statement macro() {
    String name = tokens.name();
    tokens.expectOperator("(");
    Parameters p = parameters();
    tokens.end();
    List<Statement> body = body("endmacro");
    closing("endmacro");
    return (scope, out) -> {
      scope.set(name, function(name, p, body, scope));
      return Flow.ON;
    };
  }

  private static Callable function(String name, Parameters p, List<Statement> body, Scope defined) {
    return (arguments, named) -> {
      Scope scope = defined.inner();
      if (arguments.size() > p.names().size()) {
        throw new TemplateException("%s takes %d arguments".formatted(name, p.names().size()));
      }
      for (int i = 0; i < p.names().size(); i++) {
        String parameter = p.names().get(i);
        Expression fallback = p.defaults().get(parameter);
        Object value =
            i < arguments.size()
                ? arguments.get(i)
                : named.containsKey(parameter)
                    ? named.get(parameter)
                    : fallback == null ? new Undefined(parameter) : fallback.evaluate(scope);
        scope.set(parameter, value);
      }
      if (named.containsKey("caller")) {
        scope.set("caller", named.get("caller"));
      }
      scope.enter();
      String text = capture(body, scope);
      scope.leave();
      return text;
    };
  }

  private Statement filterBlock() {
    Expression filtered = expressions.filter(scope -> scope.get("\0captured"));
    while (tokens.takeOperator("|")) {
      filtered = expressions.filter(filtered);
    }
    tokens.end();
    List<Statement> body = body("endfilter");
    closing("endfilter");
    Expression result = filtered;
    return (scope, out) -> {
      Scope inner = scope.inner();
      inner.set("\0captured", capture(body, scope.inner()));
      out.append(Values.string(result.evaluate(inner)));
      return Flow.ON;
    };
  }

  private Statement callBlock() {
    Parameters p = tokens.takeOperator("(") ? parameters() : new Parameters(List.of(), Map.of());
    String name = tokens.name();
    tokens.expectOperator("(");
    ExpressionParser.Arguments arguments = expressions.arguments();
    tokens.end();
    List<Statement> body = body("endcall");
    closing("endcall");
    return (scope, out) -> {
      Map<String, @Nullable Object> named = arguments.evaluateNamed(scope);
      named.put("caller", function("caller", p, body, scope));
      if (!(scope.get(name) instanceof Callable c)) {
        throw new TemplateException("'" + name + "' is no macro");
      }
      out.append(Values.string(c.call(arguments.evaluate(scope), named)));
      return Flow.ON;
    };
  }
}
