package assay.measure.compare;

import assay.model.UserError;
import java.util.ArrayList;
import java.util.List;

/**
 * A text in overlapping windows, each position judged once: a window of {@code length} tokens
 * starts every {@code stride} tokens, and only predictions that no earlier window made count, so
 * all but the first window's have at least length − stride tokens before them.
 */
@SuppressWarnings("ArrayRecordComponent")
record Windows(int[] ids, int length, int stride) {
  Windows {
    if (length < 2 || stride < 1 || stride > length) {
      throw new UserError(
          "window %d, stride %d: expected a window of 2 or more and a stride of 1 to the window"
              .formatted(length, stride));
    }
    if (ids.length < 2) {
      throw new UserError("a text of " + ids.length + " tokens: expected 2 or more");
    }
  }

  /**
   * One window.
   *
   * @param ids its tokens
   * @param firstJudged first position in it whose prediction of the next token counts
   * @param nextIds the token after each position; −1 after the text's end
   */
  @SuppressWarnings("ArrayRecordComponent")
  record Window(int[] ids, int firstJudged, int[] nextIds) {
    int judged() {
      int n = 0;
      for (int i = firstJudged; i < ids.length; i++) {
        n += nextIds[i] >= 0 ? 1 : 0;
      }
      return n;
    }
  }

  List<Window> all() {
    List<Window> out = new ArrayList<>();
    int judgedUpTo = 0;
    for (int start = 0; judgedUpTo < ids.length - 1; start += stride) {
      int end = Math.min(ids.length, start + length);
      int[] part = java.util.Arrays.copyOfRange(ids, start, end);
      int[] next = new int[part.length];
      for (int i = 0; i < part.length; i++) {
        next[i] = start + i + 1 < ids.length ? ids[start + i + 1] : -1;
      }
      out.add(new Window(part, judgedUpTo - start, next));
      judgedUpTo = end;
    }
    return out;
  }

  int judged() {
    return ids.length - 1;
  }
}
