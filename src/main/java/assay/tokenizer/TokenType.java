package assay.tokenizer;

/** What an entry of a GGUF vocabulary is; the numbers are those of {@code token_type}. */
enum TokenType {
  UNDEFINED(0),
  NORMAL(1),
  UNKNOWN(2),
  /** Begin, end, turn: never found in a text unless asked for, left out of decoded text. */
  CONTROL(3),
  /** Text that is one token wherever it stands. */
  USER_DEFINED(4),
  UNUSED(5),
  /** {@code <0x41>}: one byte. */
  BYTE(6);

  private final int code;

  TokenType(int code) {
    this.code = code;
  }

  /** Its number in the file. */
  int code() {
    return code;
  }

  static TokenType of(int code) {
    for (TokenType t : values()) {
      if (t.code == code) {
        return t;
      }
    }
    return UNDEFINED;
  }

  /** True for what is cut out of a text before the rest is encoded. */
  boolean isSpecial() {
    return this == CONTROL || this == USER_DEFINED || this == UNKNOWN;
  }

  /** True for what decoding leaves out unless asked for. */
  boolean isHidden() {
    return this == CONTROL || this == UNKNOWN;
  }
}
