package assay.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/** Texts that tokenizers stumble over, from a fixed seed. */
final class RandomTexts {
  private static final int SEED = 20260131;
  private static final String[] PIECES = {
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    "\u0000",
    "\u00a0",
    "\u3000",
    "the",
    "otter's",
    "12",
    "3456",
    "!?",
    "é",
    "e\u0301",
    "ﬁ",
    "東京",
    "привет",
    "😀",
    "👩\u200d👧",
    "🇩🇪",
    "\ufeff",
    "\u200b",
    "\uffff",
    "<|end|>",
    "</s>",
    "<0x41>",
    "[",
    "]",
    "##",
    "\\",
    "\"",
    "İ",
    "ß",
    "نص",
    "नमस्ते",
    "\ud83d\ude00a"
  };

  private RandomTexts() {}

  /** Of pieces alone, so that any two kinds of the same tokenizer should agree on them. */
  static List<String> plain(int count) {
    return texts(count, false);
  }

  private static List<String> texts(int count, boolean anyCharacter) {
    SplittableRandom random = new SplittableRandom(SEED);
    List<String> out = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      StringBuilder s = new StringBuilder();
      int pieces = random.nextInt(12);
      for (int p = 0; p < pieces; p++) {
        if (anyCharacter && random.nextInt(3) == 0) {
          int c = random.nextInt(0x110000);
          // Half characters are no valid UTF-8; ▁ is SentencePiece's space and comes back as one.
          s.appendCodePoint((c >= 0xd800 && c < 0xe000) || c == SpaceMark.CHAR ? 'x' : c);
        } else {
          s.append(PIECES[random.nextInt(PIECES.length)]);
        }
      }
      out.add(s.toString());
    }
    return out;
  }

  /** Decoding undoes encoding, byte by byte, on any valid UTF-8. */
  static void check(Tokenizer t) {
    for (String text : texts(300, true)) {
      byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
      int[] ids = t.encode(bytes, false, false);
      assertArrayEquals(
          bytes, t.decode(ids, true), () -> t.kind() + ": '" + text + "' " + Arrays.toString(ids));
    }
  }
}
