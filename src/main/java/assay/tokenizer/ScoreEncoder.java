package assay.tokenizer;

import java.nio.charset.StandardCharsets;

/**
 * SentencePiece's BPE: neighbours whose joined text is a token are merged, the highest score first;
 * what is no token at the end is written as bytes. Spaces are written U+2581 and one is put in
 * front.
 *
 * <p>A U+2581 that stands in the text itself would be decoded as a space; where the vocabulary has
 * bytes it is therefore kept as its three bytes, so that decoding gives the text back.
 */
final class ScoreEncoder implements Encoder {
  private final Vocabulary vocabulary;
  private final ByteStringTable table = new ByteStringTable();
  private final int[] byteIds = new int[256];
  private final boolean addSpacePrefix;
  private final int unknown;
  private final boolean hasAllBytes;

  ScoreEncoder(Vocabulary v, boolean addSpacePrefix) {
    this.vocabulary = v;
    this.addSpacePrefix = addSpacePrefix;
    this.unknown = v.token("unknown").orElse(v.size() > 0 ? 0 : -1);
    for (int id = 0; id < v.size(); id++) {
      if (table.put(v.text(id), id) != ByteStringTable.ABSENT) {
        throw v.error("tokenizer.ggml.tokens holds '" + v.string(id) + "' twice");
      }
    }
    boolean all = true;
    for (int b = 0; b < 256; b++) {
      byte[] name = "<0x%02X>".formatted(b).getBytes(StandardCharsets.UTF_8);
      int id = table.find(name, 0, name.length);
      all &= id >= 0;
      byteIds[b] = id >= 0 ? id : table.find(new byte[] {(byte) b}, 0, 1);
    }
    hasAllBytes = all;
  }

  @Override
  public void encode(byte[] text, int from, int to, boolean first, IntList out) {
    byte[] marked = new byte[Math.multiplyExact(to - from + 1, SpaceMark.length())];
    int length = 0;
    if (first && addSpacePrefix) {
      length = SpaceMark.put(marked, length);
    }
    int begin = 0;
    for (int i = from; i < to; i++) {
      if (hasAllBytes && SpaceMark.at(text, i, to)) {
        merge(marked, begin, length, out);
        for (int end = i + SpaceMark.length(); i < end; i++) {
          out.add(byteIds[text[i] & 0xff]);
        }
        i--;
        begin = length;
      } else if (text[i] == ' ') {
        length = SpaceMark.put(marked, length);
      } else {
        marked[length++] = text[i];
      }
    }
    merge(marked, begin, length, out);
  }

  private void merge(byte[] text, int from, int to, IntList out) {
    ScoreMerger merger = new ScoreMerger(text);
    for (int at = from; at < to; ) {
      int end = at + Math.min(Utf8.sequenceLength(text[at]), to - at);
      merger.add(at, end, table.find(text, at, end));
      at = end;
    }
    merger.run();
    merger.forEach((id, begin, end) -> append(text, id, begin, end, out));
  }

  private void append(byte[] text, int id, int begin, int end, IntList out) {
    if (id >= 0) {
      out.add(id);
      return;
    }
    for (int i = begin; i < end; i++) {
      int b = byteIds[text[i] & 0xff];
      out.add(b >= 0 ? b : unknown);
    }
  }

  private final class ScoreMerger extends Merger {
    private final byte[] text;

    ScoreMerger(byte[] text) {
      this.text = text;
    }

    @Override
    long priority(int leftId, int rightId, int from, int to) {
      int id = table.find(text, from, to);
      return id < 0 ? NONE : -sortable(vocabulary.score(id));
    }

    @Override
    int merged(int leftId, int rightId, int from, int to) {
      return table.find(text, from, to);
    }

    /** Ints in the order of the floats. */
    private static long sortable(float score) {
      int bits = Float.floatToIntBits(score + 0f);
      return bits ^ ((bits >> 31) & 0x7fffffff);
    }
  }
}
