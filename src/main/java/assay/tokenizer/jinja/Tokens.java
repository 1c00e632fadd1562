package assay.tokenizer.jinja;

import java.util.List;

/** Tokens taken one after another. */
final class Tokens {
  private final List<Token> tokens;
  private int at;

  Tokens(List<Token> tokens) {
    this.tokens = tokens;
  }

  Token peek() {
    return tokens.get(at);
  }

  Token peekSecond() {
    return tokens.get(Math.min(at + 1, tokens.size() - 1));
  }

  Token next() {
    Token t = tokens.get(at);
    at = Math.min(at + 1, tokens.size() - 1);
    return t;
  }

  boolean takeOperator(String operator) {
    boolean there = peek().isOperator(operator);
    if (there) {
      next();
    }
    return there;
  }

  boolean takeName(String name) {
    boolean there = peek().isName(name);
    if (there) {
      next();
    }
    return there;
  }

  void expectOperator(String operator) {
    if (!takeOperator(operator)) {
      throw unexpected("'" + operator + "'");
    }
  }

  void expectName(String name) {
    if (!takeName(name)) {
      throw unexpected("'" + name + "'");
    }
  }

  String name() {
    if (peek().kind() != Token.Kind.NAME) {
      throw unexpected("a name");
    }
    return next().text();
  }

  void end() {
    if (peek().kind() != Token.Kind.END) {
      throw unexpected("the end of the tag");
    }
    next();
  }

  TemplateException unexpected(String expected) {
    Token t = peek();
    String found =
        switch (t.kind()) {
          case END -> "the end of the tag";
          case EOF -> "the end of the template";
          case PRINT_BEGIN, BLOCK_BEGIN -> "a tag";
          default -> "'" + t.text() + "'";
        };
    return new TemplateException(
        "line %d: %s where %s is expected".formatted(t.line(), found, expected));
  }

  TemplateException error(String what) {
    return new TemplateException("line " + peek().line() + ": " + what);
  }
}
