package assay.train;

import assay.model.UserError;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * Training examples out of one long row of tokens: windows of the context's length, chosen by seed
 * and step, so that training can go on after an interruption as if there had been none.
 *
 * <p>Three of four windows begin where a text begins, so that the model knows beginnings at
 * position 0; the others begin anywhere.
 */
public final class TokenWindows {
  private final int[] tokens;
  private final int[] starts;
  private final int length;
  private final long seed;

  /** Inputs and targets, [batch · length] each: targets are inputs moved by one. */
  @SuppressWarnings("ArrayRecordComponent") // handed from here to the step, never compared
  public record Batch(int[] ids, int[] targets) {}

  /**
   * Over a row of tokens.
   *
   * @param starts where texts begin, ascending; empty for one text without beginnings
   * @param length inputs per window; each needs one token more for its last target
   */
  public TokenWindows(int[] tokens, int[] starts, int length, long seed) {
    if (tokens.length < length + 1) {
      throw new UserError(
          "the text has %d tokens: expected at least %d, the context and one"
              .formatted(tokens.length, length + 1));
    }
    this.tokens = tokens;
    this.starts = starts;
    this.length = length;
    this.seed = seed;
  }

  /** The examples of a step, always the same for the same seed and step. */
  public Batch batch(long step, int size) {
    SplittableRandom random = new SplittableRandom(seed * 0x9E3779B97F4A7C15L + step);
    int[] ids = new int[size * length];
    int[] targets = new int[size * length];
    for (int b = 0; b < size; b++) {
      int from = start(random);
      System.arraycopy(tokens, from, ids, b * length, length);
      System.arraycopy(tokens, from + 1, targets, b * length, length);
    }
    return new Batch(ids, targets);
  }

  private int start(SplittableRandom random) {
    int at = random.nextInt(tokens.length - length);
    if (starts.length == 0 || random.nextInt(4) == 0) {
      return at;
    }
    int found = Arrays.binarySearch(starts, at);
    int index = found >= 0 ? found : -found - 2;
    return index < 0 ? at : starts[index];
  }
}
