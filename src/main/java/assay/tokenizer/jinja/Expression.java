package assay.tokenizer.jinja;

import org.jspecify.annotations.Nullable;

/** An expression, ready to be evaluated. */
@FunctionalInterface
interface Expression {
  @Nullable Object evaluate(Scope scope);
}
