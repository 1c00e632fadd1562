package assay.estimate;

import assay.model.Precision;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A complete set of constants: a value for every coefficient, some of them per precision. */
public final class Constants {
  private final Map<String, Constant> byKey;
  private final String name;

  private Constants(String name, Map<String, Constant> byKey) {
    this.name = name;
    this.byKey = byKey;
    for (Coefficient c : Coefficient.values()) {
      if (!byKey.containsKey(c.label())) {
        throw new IllegalStateException("no value of " + c.label());
      }
    }
  }

  /** What is assumed of a kind of device before anything is measured there. */
  public static Constants defaults(DeviceKind kind) {
    Map<String, Constant> all = new LinkedHashMap<>();
    DefaultConstants.of(kind).forEach(c -> all.put(c.key(), c));
    return new Constants("defaults for " + kind.label(), all);
  }

  /** These with some replaced; a name says by what. */
  public Constants with(String name, Collection<Constant> replacements) {
    Map<String, Constant> all = new LinkedHashMap<>(byKey);
    replacements.forEach(c -> all.put(c.key(), c));
    return new Constants(name, all);
  }

  /** The constant for a precision: its own if there is one, else that of all precisions. */
  public Constant constant(Coefficient coefficient, Precision precision) {
    Constant own = byKey.get(Constant.key(coefficient, precision.label()));
    return own != null ? own : common(coefficient);
  }

  /** The constant for all precisions. */
  public Constant common(Coefficient coefficient) {
    Constant c = byKey.get(coefficient.label());
    if (c == null) {
      throw new IllegalStateException("no value of " + coefficient.label());
    }
    return c;
  }

  /** Its value. */
  public double value(Coefficient coefficient, Precision precision) {
    return constant(coefficient, precision).value();
  }

  /** The constants that estimates of this precision use. */
  public List<Constant> used(Precision precision) {
    return java.util.Arrays.stream(Coefficient.values()).map(c -> constant(c, precision)).toList();
  }

  /** Everything. */
  public Collection<Constant> all() {
    return byKey.values();
  }

  /** What this set is. */
  public String name() {
    return name;
  }

  /** True when any value was fitted to measurements. */
  public boolean isCalibrated() {
    return byKey.values().stream().anyMatch(c -> c.origin() == Constant.Origin.CALIBRATED);
  }
}
