package assay.tokenizer;

/** What an entry of a GGUF vocabulary is; the numbers are those of {@code token_type}. */
enum TokenType {
  UNDEFINED,
  NORMAL,
  UNKNOWN,
  /** Begin, end, turn: never found in a text unless asked for, left out of decoded text. */
  CONTROL,
  /** Text that is one token wherever it stands. */
  USER_DEFINED,
  UNUSED,
  /** {@code <0x41>}: one byte. */
  BYTE;

  static TokenType of(int number) {
    return number > 0 && number < values().length ? values()[number] : UNDEFINED;
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
