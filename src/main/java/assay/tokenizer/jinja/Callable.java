package assay.tokenizer.jinja;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Something that a template can call: a macro, a method, a function of ours. */
@FunctionalInterface
interface Callable {
  @Nullable Object call(List<@Nullable Object> arguments, Map<String, @Nullable Object> named);
}
