package assay.results;

import assay.model.UserError;
import org.jspecify.annotations.Nullable;

/** What a number in a row must be. Null is what was not measured, and always allowed. */
final class Numbers {
  private Numbers() {}

  /** A count: 0 or more. */
  static void count(String name, @Nullable Long value) {
    if (value != null && value < 0) {
      throw new UserError("%s is %d: expected 0 or more".formatted(name, value));
    }
  }

  /** A time or a rate: finite and above 0. */
  static void positive(String name, @Nullable Double value) {
    if (value != null && !(value > 0 && Double.isFinite(value))) {
      throw new UserError("%s is %s: expected a positive number".formatted(name, value));
    }
  }

  /** A ratio or an error: finite and not below 0. */
  static void fraction(String name, @Nullable Double value) {
    if (value != null && !(value >= 0 && Double.isFinite(value))) {
      throw new UserError("%s is %s: expected a number of 0 or more".formatted(name, value));
    }
  }

  /** Something that every row must say. */
  static void present(String name, @Nullable Object value) {
    if (value == null) {
      throw new UserError(name + " is missing");
    }
  }
}
