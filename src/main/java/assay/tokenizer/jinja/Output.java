package assay.tokenizer.jinja;

/** The text that a template writes; it may not grow without end. */
final class Output {
  private static final int MAX_CHARACTERS = 64 << 20;

  private final StringBuilder text = new StringBuilder();

  void append(String more) {
    if (text.length() + (long) more.length() > MAX_CHARACTERS) {
      throw new TemplateException("writes more than " + MAX_CHARACTERS + " characters");
    }
    text.append(more);
  }

  @Override
  public String toString() {
    return text.toString();
  }
}
