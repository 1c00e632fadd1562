package assay.tokenizer;

import java.util.Arrays;

/**
 * Text of tokens that come one by one. A token may be a part of a character, and what a token
 * stands for may depend on those before it, so each piece is the difference between two decodings
 * of the last few tokens, and a piece that ends inside a character waits for the next token.
 */
public final class StreamedText {
  private static final char REPLACEMENT = '\ufffd';

  private final Tokenizer tokenizer;
  private int[] ids = new int[64];
  private int size;
  private int from;
  private int shown;

  /** Nothing yet. */
  public StreamedText(Tokenizer tokenizer) {
    this.tokenizer = tokenizer;
  }

  /** The text that has become certain with this token; often empty. */
  public String next(int id) {
    if (size == ids.length) {
      ids = Arrays.copyOf(ids, size * 2);
    }
    ids[size++] = id;
    String text = pending();
    // Four bytes make the longest character: more than that is really malformed.
    boolean open = text.endsWith(String.valueOf(REPLACEMENT)) && size - shown < 4;
    return open ? "" : advance(text);
  }

  /** What is left at the end. */
  public String rest() {
    return advance(pending());
  }

  private String pending() {
    String before = tokenizer.decode(Arrays.copyOfRange(ids, from, shown));
    String after = tokenizer.decode(Arrays.copyOfRange(ids, from, size));
    return after.startsWith(before) ? after.substring(before.length()) : "";
  }

  private String advance(String text) {
    from = shown;
    shown = size;
    return text;
  }
}
