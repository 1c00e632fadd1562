package assay.tokenizer;

import assay.model.UserError;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Learns a byte-level BPE vocabulary (Sennrich et al. 2016, algorithm 1, over bytes as GPT-2 does):
 * again and again the pair of neighbouring tokens that occurs most often inside the words becomes a
 * token. Among equally frequent pairs the one with the smaller ids wins, so that the same text
 * gives the same vocabulary.
 */
public final class BpeTrainer {
  private final Map<String, Long> words = new TreeMap<>();
  private final PreTokenizer pre = PreTokenizers.of(BpeVocabulary.PRE);

  /** Counts the words of a text. */
  public void add(String text) {
    for (String word : pre.split(text)) {
      words.merge(word, 1L, Long::sum);
    }
  }

  /**
   * The vocabulary of all texts so far.
   *
   * @param size entries in all
   * @param special texts of special tokens, which get the last ids
   * @throws UserError when the text has not enough different pairs for so many entries
   */
  public BpeVocabulary train(int size, List<String> special) {
    int wanted = size - 256 - special.size();
    if (wanted < 0) {
      throw new UserError(
          "a vocabulary of %d entries: expected at least the 256 bytes and %d special tokens"
              .formatted(size, special.size()));
    }
    List<int[]> spelled = new ArrayList<>();
    List<Long> counts = new ArrayList<>();
    words.forEach(
        (word, count) -> {
          spelled.add(bytesOf(word));
          counts.add(count);
        });
    List<byte[]> tokens = new ArrayList<>();
    for (int b = 0; b < 256; b++) {
      tokens.add(new byte[] {(byte) b});
    }
    int[][] merges = new int[wanted][];
    for (int m = 0; m < wanted; m++) {
      int[] pair = mostFrequentPair(spelled, counts);
      if (pair.length == 0) {
        throw new UserError(
            "the text gives a vocabulary of %d entries: expected %d"
                .formatted(256 + m + special.size(), size));
      }
      merges[m] = pair;
      int id = 256 + m;
      tokens.add(concatenated(tokens.get(pair[0]), tokens.get(pair[1])));
      spelled.replaceAll(word -> BpeVocabulary.merge(word, pair, id));
    }
    return new BpeVocabulary(tokens, merges, List.copyOf(special));
  }

  private static int[] bytesOf(String word) {
    byte[] bytes = word.getBytes(StandardCharsets.UTF_8);
    int[] out = new int[bytes.length];
    for (int i = 0; i < out.length; i++) {
      out[i] = bytes[i] & 0xff;
    }
    return out;
  }

  private static int[] mostFrequentPair(List<int[]> words, List<Long> counts) {
    Map<Long, Long> pairs = new HashMap<>();
    for (int w = 0; w < words.size(); w++) {
      int[] word = words.get(w);
      for (int i = 0; i + 1 < word.length; i++) {
        pairs.merge((long) word[i] << 32 | word[i + 1], counts.get(w), Long::sum);
      }
    }
    long best = -1;
    long most = 0;
    for (Map.Entry<Long, Long> e : pairs.entrySet()) {
      if (e.getValue() > most || (e.getValue() == most && e.getKey() < best)) {
        best = e.getKey();
        most = e.getValue();
      }
    }
    return most == 0 ? new int[0] : new int[] {(int) (best >>> 32), (int) best};
  }

  private static byte[] concatenated(byte[] left, byte[] right) {
    byte[] out = java.util.Arrays.copyOf(left, left.length + right.length);
    System.arraycopy(right, 0, out, left.length, right.length);
    return out;
  }
}
