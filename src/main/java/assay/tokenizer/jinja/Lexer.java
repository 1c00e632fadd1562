package assay.tokenizer.jinja;

import java.util.ArrayList;
import java.util.List;

/**
 * Cuts a template into tokens. White space around tags goes as trim_blocks and lstrip_blocks say: a
 * line break after a statement tag, blanks before one at the beginning of a line; all of it where a
 * tag has a minus.
 */
final class Lexer {
  private static final List<String> OPERATORS =
      List.of(
          "**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", "(", ")",
          "[", "]", "{", "}", ",", ".", ":", "|");

  private final String source;
  private final List<Token> tokens = new ArrayList<>();
  private int at;
  private int line = 1;

  private Lexer(String source) {
    this.source = source;
  }

  static List<Token> tokens(String template) {
    String source = template.replace("\r\n", "\n").replace('\r', '\n');
    if (source.endsWith("\n")) { // keep_trailing_newline is off
      source = source.substring(0, source.length() - 1);
    }
    Lexer lexer = new Lexer(source);
    lexer.run();
    return lexer.tokens;
  }

  private void run() {
    boolean stripLeft = false;
    boolean dropBreak = false;
    while (at < source.length()) {
      int tag = nextTag(at);
      String data = source.substring(at, tag);
      boolean lineStart = at == 0 || source.charAt(at - 1) == '\n';
      if (stripLeft) {
        data = data.stripLeading();
      } else if (dropBreak && data.startsWith("\n")) {
        data = data.substring(1);
        lineStart = true;
      }
      if (tag < source.length()) {
        data = beforeTag(data, tag, lineStart);
      }
      if (!data.isEmpty()) {
        tokens.add(new Token(Token.Kind.DATA, data, line));
      }
      countLines(at, tag);
      at = tag;
      if (at >= source.length()) {
        break;
      }
      char kind = source.charAt(at + 1);
      Token.Kind begin = kind == '{' ? Token.Kind.PRINT_BEGIN : Token.Kind.BLOCK_BEGIN;
      if (kind == '#') {
        comment();
      } else {
        tag(begin);
      }
      stripLeft = source.charAt(at - 3) == '-';
      dropBreak = kind != '{';
    }
    tokens.add(new Token(Token.Kind.EOF, "", line));
  }

  private int nextTag(int from) {
    for (int i = source.indexOf('{', from); i >= 0; i = source.indexOf('{', i + 1)) {
      char next = i + 1 < source.length() ? source.charAt(i + 1) : ' ';
      if (next == '{' || next == '%' || next == '#') {
        return i;
      }
    }
    return source.length();
  }

  private String beforeTag(String data, int tag, boolean lineStart) {
    char sign = tag + 2 < source.length() ? source.charAt(tag + 2) : ' ';
    if (sign == '-') {
      return data.stripTrailing();
    }
    if (source.charAt(tag + 1) == '{' || sign == '+') {
      return data;
    }
    int end = data.length();
    while (end > 0 && (data.charAt(end - 1) == ' ' || data.charAt(end - 1) == '\t')) {
      end--;
    }
    boolean onlyBlanks = end == 0 ? lineStart : data.charAt(end - 1) == '\n';
    return onlyBlanks ? data.substring(0, end) : data;
  }

  private void countLines(int from, int to) {
    for (int i = from; i < to; i++) {
      line += source.charAt(i) == '\n' ? 1 : 0;
    }
  }

  private void comment() {
    int end = source.indexOf("#}", at + 2);
    if (end < 0) {
      throw error("a comment without its end");
    }
    countLines(at, end + 2);
    at = end + 2;
  }

  private void tag(Token.Kind begin) {
    tokens.add(new Token(begin, "", line));
    String close = begin == Token.Kind.PRINT_BEGIN ? "}}" : "%}";
    at += 2;
    if (at < source.length() && (source.charAt(at) == '-' || source.charAt(at) == '+')) {
      at++;
    }
    int depth = 0;
    while (true) {
      skipBlanks();
      if (at >= source.length()) {
        throw error("a tag without its end");
      }
      boolean signed = source.charAt(at) == '-' || source.charAt(at) == '+';
      int closeAt = signed ? at + 1 : at;
      if (source.startsWith(close, closeAt) && depth == 0) {
        at = closeAt + 2;
        tokens.add(new Token(Token.Kind.END, "", line));
        if (raw()) {
          return;
        }
        return;
      }
      depth += expressionToken();
    }
  }

  private void skipBlanks() {
    while (at < source.length() && Character.isWhitespace(source.charAt(at))) {
      line += source.charAt(at) == '\n' ? 1 : 0;
      at++;
    }
  }

  /** Adds one token of an expression; returns by how much it nests braces deeper. */
  private int expressionToken() {
    char c = source.charAt(at);
    if (c == '\'' || c == '"') {
      string(c);
      return 0;
    }
    if (Character.isDigit(c)) {
      number();
      return 0;
    }
    if (Character.isLetter(c) || c == '_') {
      int end = at;
      while (end < source.length()
          && (Character.isLetterOrDigit(source.charAt(end)) || source.charAt(end) == '_')) {
        end++;
      }
      add(Token.Kind.NAME, end);
      return 0;
    }
    for (String operator : OPERATORS) {
      if (source.startsWith(operator, at)) {
        add(Token.Kind.OPERATOR, at + operator.length());
        return switch (operator) {
          case "{", "(", "[" -> 1;
          case "}", ")", "]" -> -1;
          default -> 0;
        };
      }
    }
    throw error("unexpected character '" + c + "'");
  }

  private void add(Token.Kind kind, int end) {
    tokens.add(new Token(kind, source.substring(at, end), line));
    at = end;
  }

  private void number() {
    int end = at;
    boolean isFloat = false;
    while (end < source.length()) {
      char c = source.charAt(end);
      boolean point =
          c == '.'
              && !isFloat
              && end + 1 < source.length()
              && Character.isDigit(source.charAt(end + 1));
      if (point) {
        isFloat = true;
      } else if (!Character.isDigit(c) && c != '_') {
        break;
      }
      end++;
    }
    add(isFloat ? Token.Kind.FLOAT : Token.Kind.INTEGER, end);
  }

  private void string(char quote) {
    StringBuilder value = new StringBuilder();
    int start = line;
    at++;
    while (at < source.length() && source.charAt(at) != quote) {
      char c = source.charAt(at++);
      line += c == '\n' ? 1 : 0;
      if (c == '\\' && at < source.length()) {
        escape(value);
      } else {
        value.append(c);
      }
    }
    if (at >= source.length()) {
      throw error("a string without its end");
    }
    at++;
    tokens.add(new Token(Token.Kind.STRING, value.toString(), start));
  }

  private void escape(StringBuilder value) {
    char c = source.charAt(at++);
    switch (c) {
      case 'n' -> value.append('\n');
      case 't' -> value.append('\t');
      case 'r' -> value.append('\r');
      case 'b' -> value.append('\b');
      case 'f' -> value.append('\f');
      case '0' -> value.append('\0');
      case '\\', '\'', '"' -> value.append(c);
      case '\n' -> {}
      case 'x' -> hex(value, 2);
      case 'u' -> hex(value, 4);
      case 'U' -> hex(value, 8);
      default -> value.append('\\').append(c);
    }
  }

  private void hex(StringBuilder value, int digits) {
    try {
      int end = Math.min(at + digits, source.length());
      value.appendCodePoint(Integer.parseInt(source.substring(at, end), 16));
      at = end;
    } catch (IllegalArgumentException e) {
      throw error("a broken escape in a string");
    }
  }

  /** After a raw tag everything up to its end is data. */
  private boolean raw() {
    int n = tokens.size();
    boolean isRaw =
        n >= 3
            && tokens.get(n - 3).kind() == Token.Kind.BLOCK_BEGIN
            && tokens.get(n - 2).isName("raw");
    if (!isRaw) {
      return false;
    }
    var end = java.util.regex.Pattern.compile("\\{%[-+]?\\s*endraw\\s*[-+]?%}").matcher(source);
    if (!end.find(at)) {
      throw error("raw without endraw");
    }
    tokens.subList(n - 3, n).clear();
    String data = source.substring(at, end.start());
    tokens.add(new Token(Token.Kind.DATA, data.startsWith("\n") ? data.substring(1) : data, line));
    countLines(at, end.end());
    at = end.end();
    return true;
  }

  private TemplateException error(String what) {
    return new TemplateException("line " + line + ": " + what);
  }
}
