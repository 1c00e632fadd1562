package assay.tokenizer.jinja;

/**
 * A piece of a template.
 *
 * @param kind what it is
 * @param text its characters; of a string, its value
 * @param line where it begins, from 1
 */
record Token(Kind kind, String text, int line) {
  enum Kind {
    /** Text outside tags. */
    DATA,
    /** The beginning of an expression tag or of a statement tag, and the end of either. */
    PRINT_BEGIN,
    BLOCK_BEGIN,
    END,
    NAME,
    STRING,
    INTEGER,
    FLOAT,
    OPERATOR,
    EOF
  }

  boolean isOperator(String operator) {
    return kind == Kind.OPERATOR && text.equals(operator);
  }

  boolean isName(String name) {
    return kind == Kind.NAME && text.equals(name);
  }
}
