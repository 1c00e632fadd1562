package assay.units;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Numbers with an SI prefix: how every count, rate and decimal size is printed and parsed. k is
 * 10³, M 10⁶, G 10⁹, T 10¹², P 10¹⁵, E 10¹⁸.
 */
public final class Quantity {
  private static final String PREFIXES = " kMGTPE";
  private static final MathContext FOUR_DIGITS = new MathContext(4, RoundingMode.HALF_UP);
  private static final Pattern NUMBER =
      Pattern.compile("\\s*([+-]?(?:\\d+(?:\\.\\d*)?|\\.\\d+)(?:[eE][+-]?\\d+)?)\\s*(\\S*)\\s*");

  private Quantity() {}

  /** At most four significant digits, a prefix and the unit: 989.5 TFLOP/s. */
  public static String format(double value, String unit) {
    if (!Double.isFinite(value)) {
      return value + " " + unit;
    }
    double magnitude = Math.abs(value);
    int step = 0;
    while (step < PREFIXES.length() - 1 && rounded(magnitude) >= 1000) {
      magnitude /= 1000;
      step++;
    }
    String prefix = step == 0 ? "" : PREFIXES.substring(step, step + 1);
    String sign = value < 0 ? "-" : "";
    return (sign + digits(magnitude) + " " + prefix + unit).stripTrailing();
  }

  /** At most four significant digits, no exponent; whole numbers below 10,000 as they are. */
  public static String digits(double value) {
    if (!Double.isFinite(value)) {
      return String.valueOf(value);
    }
    if (value == Math.rint(value) && Math.abs(value) < 10_000) {
      return String.valueOf((long) value);
    }
    return BigDecimal.valueOf(value).round(FOUR_DIGITS).stripTrailingZeros().toPlainString();
  }

  private static double rounded(double magnitude) {
    return BigDecimal.valueOf(magnitude).round(FOUR_DIGITS).doubleValue();
  }

  /** A whole count with thousands separated: 124,439,808. */
  public static String count(long value) {
    return String.format(Locale.ROOT, "%,d", value);
  }

  /**
   * Reads a number with an optional SI prefix and an optional unit: {@code 989.5T}, {@code 3.35
   * TB/s}, {@code 2e12}.
   *
   * @param unit the unit that may follow the prefix, such as {@code B/s}
   * @throws IllegalArgumentException with a one-line message for anything else
   */
  public static double parse(String text, String unit) {
    Matcher m = NUMBER.matcher(text);
    if (!m.matches()) {
      throw notAQuantity(text, unit);
    }
    String suffix = m.group(2);
    if (suffix.toLowerCase(Locale.ROOT).endsWith(unit.toLowerCase(Locale.ROOT))) {
      suffix = suffix.substring(0, suffix.length() - unit.length());
    }
    double factor = 1;
    if (!suffix.isEmpty()) {
      // k and K alike; all other prefixes in either case too, since none of them clash here.
      int step =
          suffix.length() == 1
              ? PREFIXES.toLowerCase(Locale.ROOT).indexOf(suffix.toLowerCase(Locale.ROOT))
              : -1;
      if (step < 1) {
        throw notAQuantity(text, unit);
      }
      factor = Math.pow(1000, step);
    }
    return Double.parseDouble(m.group(1)) * factor;
  }

  private static IllegalArgumentException notAQuantity(String text, String unit) {
    return new IllegalArgumentException(
        "'%s' is no quantity: expected a number, an optional prefix k, M, G, T, P and an optional %s"
            .formatted(text, unit));
  }
}
