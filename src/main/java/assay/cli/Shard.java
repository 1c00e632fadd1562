package assay.cli;

import assay.model.UserError;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One of {@code count} shares of a list, counted from 0 as job arrays and indexed jobs do: entries
 * index, index + count, …, so that neighbours in a grid, which cost alike, are spread.
 */
record Shard(int index, int count) {
  /** Everything. */
  static final Shard ALL = new Shard(0, 1);

  private static final Pattern TEXT = Pattern.compile("(\\d{1,6})/(\\d{1,6})");

  /**
   * Reads {@code i/n}.
   *
   * @throws UserError unless 0 ≤ i &lt; n
   */
  static Shard of(String text) {
    Matcher m = TEXT.matcher(text.strip());
    if (m.matches()) {
      Shard s = new Shard(Integer.parseInt(m.group(1)), Integer.parseInt(m.group(2)));
      if (s.index < s.count) {
        return s;
      }
    }
    throw new UserError("--shard " + text + ": expected i/n with i from 0 to n − 1, such as 0/4");
  }

  <T> List<T> of(List<T> all) {
    List<T> out = new ArrayList<>();
    for (int i = index; i < all.size(); i += count) {
      out.add(all.get(i));
    }
    return out;
  }
}
