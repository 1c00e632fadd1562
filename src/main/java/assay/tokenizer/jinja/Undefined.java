package assay.tokenizer.jinja;

/**
 * What a name stands for that has no value: prints as nothing, is false, holds nothing; using it
 * otherwise fails.
 */
record Undefined(String name) {
  TemplateException error() {
    return new TemplateException("'" + name + "' is undefined");
  }
}
