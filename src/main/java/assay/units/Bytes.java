package assay.units;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Sizes in bytes. GB is 10⁹, GiB is 2³⁰; a bare G is refused, since both meanings are in use. */
public final class Bytes {
  /** 10⁹. */
  public static final long GB = 1_000_000_000L;

  /** 2³⁰. */
  public static final long GIB = 1L << 30;

  /** 2²⁰. */
  public static final long MIB = 1L << 20;

  private static final Pattern BINARY =
      Pattern.compile("\\s*(\\d+(?:\\.\\d*)?|\\.\\d+)\\s*([kmgtp])ib\\s*");
  private static final Pattern BARE_PREFIX = Pattern.compile("\\s*[\\d.]+\\s*[kmgtp]\\s*");

  private Bytes() {}

  /** Decimal, four significant digits: 14.96 GB. */
  public static String format(long bytes) {
    return Quantity.format((double) bytes, "B");
  }

  /** Decimal and binary: 28.00 GB (26.08 GiB). */
  public static String formatBoth(long bytes) {
    return "%s (%s GiB)".formatted(format(bytes), Quantity.digits((double) bytes / GIB));
  }

  /**
   * Reads {@code 24GB}, {@code 80 GiB}, {@code 512MiB} or a plain count of bytes.
   *
   * @throws IllegalArgumentException with a one-line message for anything else, for negative sizes
   *     and for sizes that a long cannot hold
   */
  public static long parse(String text) {
    String lower = text.toLowerCase(Locale.ROOT);
    if (BARE_PREFIX.matcher(lower).matches()) {
      throw new IllegalArgumentException(
          "'%s' could be decimal or binary: write GB for 10^9 or GiB for 2^30".formatted(text));
    }
    Matcher m = BINARY.matcher(lower);
    double bytes =
        m.matches()
            ? Double.parseDouble(m.group(1)) * Math.pow(1024, " kmgtp".indexOf(m.group(2)))
            : Quantity.parse(text, "B");
    if (!(bytes >= 0 && bytes < Long.MAX_VALUE)) {
      throw new IllegalArgumentException("'%s' is no size in bytes".formatted(text));
    }
    return Math.round(bytes);
  }
}
