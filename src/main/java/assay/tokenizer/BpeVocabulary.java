package assay.tokenizer;

import assay.checkpoint.GgufMetadata;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A byte-level BPE vocabulary as it comes out of {@link BpeTrainer}: the 256 bytes, one token per
 * merge in the order of the merges, then the special tokens.
 *
 * <p>It encodes on its own, for the text that a model is trained on; whoever uses the model later
 * reads the same vocabulary out of its file with {@link GgufTokenizer}.
 */
public final class BpeVocabulary {
  /** The pre-tokenisation under its name in {@code tokenizer.ggml.pre}. */
  public static final String PRE = "gpt-2";

  private final List<byte[]> tokens;
  private final int[][] merges;
  private final List<String> special;
  private final Map<Long, Integer> ranks = new HashMap<>();
  private final Map<String, int[]> words = new HashMap<>();
  private final PreTokenizer pre = PreTokenizers.of(PRE);

  BpeVocabulary(List<byte[]> tokens, int[][] merges, List<String> special) {
    this.tokens = tokens;
    this.merges = merges;
    this.special = special;
    for (int rank = 0; rank < merges.length; rank++) {
      ranks.put(key(merges[rank][0], merges[rank][1]), rank);
    }
  }

  private static long key(int left, int right) {
    return (long) left << 32 | right;
  }

  /** Entries, special ones included. */
  public int size() {
    return tokens.size() + special.size();
  }

  /** The id of a special token. */
  public int special(String text) {
    int at = special.indexOf(text);
    if (at < 0) {
      throw new IllegalArgumentException("no special token " + text);
    }
    return tokens.size() + at;
  }

  /** Texts of all tokens in the alphabet of byte-level BPE, special ones as they are; by id. */
  public List<String> texts() {
    List<String> out = new ArrayList<>();
    tokens.forEach(t -> out.add(ByteLevel.encode(t)));
    out.addAll(special);
    return out;
  }

  /** Whether an id is a special token's. */
  public boolean isSpecial(int id) {
    return id >= tokens.size();
  }

  /** Merges as files write them: "left right". */
  public List<String> merges() {
    return Arrays.stream(merges)
        .map(m -> ByteLevel.encode(tokens.get(m[0])) + " " + ByteLevel.encode(tokens.get(m[1])))
        .toList();
  }

  /**
   * Adds the vocabulary to the metadata of a GGUF file.
   *
   * @param end the special token that ends a text
   */
  public void addTo(GgufMetadata metadata, String end) {
    String prefix = "tokenizer.ggml.";
    int[] types = new int[size()];
    for (int id = 0; id < types.length; id++) {
      types[id] = (isSpecial(id) ? TokenType.CONTROL : TokenType.NORMAL).code();
    }
    metadata.string(prefix + "model", "gpt2").string(prefix + "pre", PRE);
    metadata.strings(prefix + "tokens", utf8(texts())).ints(prefix + "token_type", types);
    metadata.strings(prefix + "merges", utf8(merges()));
    metadata.uint32(prefix + "bos_token_id", special(end));
    metadata.uint32(prefix + "eos_token_id", special(end));
    metadata.flag(prefix + "add_bos_token", false).flag(prefix + "add_eos_token", false);
  }

  private static byte[][] utf8(List<String> strings) {
    return strings.stream().map(s -> s.getBytes(StandardCharsets.UTF_8)).toArray(byte[][]::new);
  }

  /** The ids of a text without special tokens. */
  public int[] encode(String text) {
    IntList out = new IntList();
    for (String word : pre.split(text)) {
      out.addAll(words.computeIfAbsent(word, this::encodeWord));
    }
    return out.toArray();
  }

  private int[] encodeWord(String word) {
    byte[] bytes = word.getBytes(StandardCharsets.UTF_8);
    int[] ids = new int[bytes.length];
    for (int i = 0; i < bytes.length; i++) {
      ids[i] = bytes[i] & 0xff;
    }
    while (true) {
      int best = Integer.MAX_VALUE;
      for (int i = 0; i + 1 < ids.length; i++) {
        best = Math.min(best, ranks.getOrDefault(key(ids[i], ids[i + 1]), best));
      }
      if (best == Integer.MAX_VALUE) {
        return ids;
      }
      ids = merge(ids, merges[best], 256 + best);
    }
  }

  /** Every occurrence of a pair replaced, from the left. */
  static int[] merge(int[] ids, int[] pair, int id) {
    int[] out = new int[ids.length];
    int n = 0;
    for (int i = 0; i < ids.length; i++) {
      boolean here = i + 1 < ids.length && ids[i] == pair[0] && ids[i + 1] == pair[1];
      out[n++] = here ? id : ids[i];
      i += here ? 1 : 0;
    }
    return Arrays.copyOf(out, n);
  }
}
