package assay.engine;

import assay.model.ModelConfig;
import assay.model.UserError;

/** Checks prompts and lays them out as the passes read them. */
final class Prompts {
  private Prompts() {}

  static void check(int[][] prompts, ModelConfig c, SessionOptions o) {
    if (prompts.length != o.batch()) {
      throw new UserError(
          "%d prompts: expected %d, the batch".formatted(prompts.length, o.batch()));
    }
    for (int b = 0; b < prompts.length; b++) {
      if (prompts[b].length == 0) {
        throw new UserError("prompt " + b + " is empty: expected at least one token");
      }
      if (prompts[b].length > o.maxSeqLen()) {
        throw new UserError(
            "prompt %d has %d tokens: the context holds %d"
                .formatted(b, prompts[b].length, o.maxSeqLen()));
      }
      for (int id : prompts[b]) {
        if (id < 0 || id >= c.vocabSize()) {
          throw new UserError(
              "token id %d in prompt %d: expected 0 to %d".formatted(id, b, c.vocabSize() - 1));
        }
      }
    }
  }

  /**
   * All prompts padded on the left to {@code slots}, chunk after chunk, within a chunk sequence
   * after sequence; in an array of the session's size.
   */
  static int[] chunked(int[][] prompts, int slots, SessionOptions o) {
    int[] out = new int[o.batch() * o.maxSeqLen()];
    int at = 0;
    for (int first = 0; first < slots; first += o.maxPassTokens()) {
      int tokens = Math.min(o.maxPassTokens(), slots - first);
      for (int[] p : prompts) {
        int padding = slots - p.length;
        for (int t = first; t < first + tokens; t++) {
          out[at++] = t < padding ? 0 : p[t - padding];
        }
      }
    }
    return out;
  }
}
