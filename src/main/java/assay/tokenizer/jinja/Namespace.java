package assay.tokenizer.jinja;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What {@code namespace()} gives: the one kind of value whose attributes a template may set. */
record Namespace(Map<String, @Nullable Object> values) {}
