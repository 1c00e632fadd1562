package assay.tokenizer.jinja;

/** A template that cannot be read, or that fails on its input. */
public final class TemplateException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  TemplateException(String message) {
    super(message);
  }
}
