package assay.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * BPE by ranked merges within the pieces of a {@link PreTokenizer}. Byte-level vocabularies (GPT-2
 * and after) are kept as the bytes that their tokens stand for, so that a symbol begins as one byte
 * and no text has to be written in their alphabet.
 */
final class BytePairEncoder implements Encoder {
  /** Pieces whose ids are remembered; words repeat. */
  private static final int CACHE_ENTRIES = 1 << 15;

  private static final int CACHED_LENGTH = 64;

  private final PreTokenizer pre;
  private final ByteStringTable table = new ByteStringTable();
  private final MergeTable merges;
  private final int vocabularySize;
  private final int[] byteIds = new int[256];
  private final Map<String, int[]> cache = new HashMap<>();
  private final PieceMerger merger = new PieceMerger();

  BytePairEncoder(Vocabulary v, PreTokenizer pre) {
    this.pre = pre;
    this.vocabularySize = v.size();
    for (int id = 0; id < v.size(); id++) {
      byte[] key = key(v.text(id));
      if (key != null && table.put(key, id) != ByteStringTable.ABSENT) {
        throw v.error("tokenizer.ggml.tokens holds '" + v.string(id) + "' twice");
      }
    }
    for (int b = 0; b < 256; b++) {
      byte[] key =
          pre.byteLevel()
              ? new byte[] {(byte) b}
              : "<0x%02X>".formatted(b).getBytes(StandardCharsets.UTF_8);
      byteIds[b] = table.find(key, 0, key.length);
    }
    byte[][] pairs = v.merges();
    merges = new MergeTable(pairs.length);
    for (int rank = 0; rank < pairs.length; rank++) {
      addMerge(pairs[rank], rank);
    }
  }

  /** What a token's text stands for in the table; null where no text can reach it. */
  private byte @Nullable [] key(byte[] text) {
    return pre.byteLevel() ? ByteLevel.decode(new String(text, StandardCharsets.UTF_8)) : text;
  }

  private void addMerge(byte[] pair, int rank) {
    int space = 1;
    while (space < pair.length && pair[space] != ' ') {
      space++;
    }
    if (space >= pair.length - 1) {
      return; // not a pair: it can never apply
    }
    byte[] left = key(java.util.Arrays.copyOfRange(pair, 0, space));
    byte[] right = key(java.util.Arrays.copyOfRange(pair, space + 1, pair.length));
    if (left == null || right == null) {
      return;
    }
    byte[] both = java.util.Arrays.copyOf(left, left.length + right.length);
    System.arraycopy(right, 0, both, left.length, right.length);
    merges.add(symbol(left), symbol(right), rank, symbol(both));
  }

  /**
   * The number of a byte string, which need not be a token: those get numbers after the last id.
   */
  private int symbol(byte[] key) {
    int id = table.find(key, 0, key.length);
    if (id == ByteStringTable.ABSENT) {
      id = vocabularySize + table.size();
      table.put(key, id);
    }
    return id;
  }

  @Override
  public void encode(byte[] text, int from, int to, boolean first, IntList out) {
    String string = Utf8.decode(text, from, to);
    if (!pre.byteLevel()) {
      string = string.replace(' ', SpaceMark.CHAR);
    }
    for (String piece : pre.split(string)) {
      int[] ids = cache.get(piece);
      if (ids == null) {
        ids = encodePiece(Utf8.encode(piece));
        if (piece.length() <= CACHED_LENGTH && cache.size() < CACHE_ENTRIES) {
          cache.put(piece, ids);
        }
      }
      out.addAll(ids);
    }
  }

  private int[] encodePiece(byte[] piece) {
    boolean whole = pre.ignoreMerges() || (!pre.byteLevel() && piece[0] == '\n');
    int id = whole ? table.find(piece, 0, piece.length) : ByteStringTable.ABSENT;
    if (id >= 0 && id < vocabularySize) {
      return new int[] {id};
    }
    merger.clear();
    for (int at = 0; at < piece.length; ) {
      int length =
          pre.byteLevel() ? 1 : Math.min(Utf8.sequenceLength(piece[at]), piece.length - at);
      merger.add(at, at + length, table.find(piece, at, at + length));
      at += length;
    }
    merger.run();
    IntList ids = new IntList();
    merger.forEach((symbol, begin, end) -> append(piece, symbol, begin, end, ids));
    return ids.toArray();
  }

  private void append(byte[] piece, int symbol, int begin, int end, IntList ids) {
    if (symbol >= 0 && symbol < vocabularySize) {
      ids.add(symbol);
      return;
    }
    for (int i = begin; i < end; i++) {
      int id = byteIds[piece[i] & 0xff];
      // A vocabulary without all 256 bytes cannot write this one: it is left out, as in llama.cpp.
      if (id >= 0) {
        ids.add(id);
      }
    }
  }

  private final class PieceMerger extends Merger {
    @Override
    long priority(int leftId, int rightId, int from, int to) {
      return leftId < 0 || rightId < 0 ? NONE : merges.rank(leftId, rightId);
    }

    @Override
    int merged(int leftId, int rightId, int from, int to) {
      return merges.merged(leftId, rightId);
    }
  }
}
