package assay.measure;

import assay.model.OpKind;
import java.util.Locale;

/**
 * What an operation's counts and times are gathered under.
 *
 * @param kind the operation
 * @param shape what tells two uses of it apart, such as {@code 288→960 BF16}
 */
record OpLabel(OpKind kind, String shape) {
  /** The operation's name in results: {@code store_kv}. */
  String operation() {
    return kind.name().toLowerCase(Locale.ROOT);
  }
}
