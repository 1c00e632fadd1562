package assay.tokenizer;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Cuts a text into the pieces that BPE may merge within. Patterns are applied one after another,
 * each to every piece that the ones before it left; what a pattern does not match stays as pieces
 * between its matches.
 *
 * @param kind the name in {@code tokenizer.ggml.pre}
 * @param patterns in order
 * @param ignoreMerges a piece that is a token as a whole is taken as that
 * @param addBegin a begin token is added unless the file says otherwise
 * @param byteLevel tokens are written in the alphabet of {@link ByteLevel}; else as UTF-8, spaces
 *     as U+2581
 */
record PreTokenizer(
    String kind,
    List<Pattern> patterns,
    boolean ignoreMerges,
    boolean addBegin,
    boolean byteLevel) {

  /** The pieces of a text, in order, none empty. */
  List<String> split(String text) {
    List<String> pieces = text.isEmpty() ? List.of() : List.of(text);
    for (Pattern p : patterns) {
      List<String> finer = new ArrayList<>();
      for (String piece : pieces) {
        splitOne(p.matcher(piece), piece, finer);
      }
      pieces = finer;
    }
    return pieces;
  }

  private static void splitOne(Matcher m, String piece, List<String> out) {
    int end = 0;
    while (m.find()) {
      if (m.start() > end) {
        out.add(piece.substring(end, m.start()));
      }
      if (m.end() > m.start()) {
        out.add(piece.substring(m.start(), m.end()));
      }
      end = m.end();
    }
    if (end < piece.length()) {
      out.add(piece.substring(end));
    }
  }
}
