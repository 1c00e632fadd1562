package assay.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.model.UserError;
import java.util.List;
import org.junit.jupiter.api.Test;

class BpeTrainerTest {
  private static BpeVocabulary train(String text, int size) {
    BpeTrainer t = new BpeTrainer();
    t.add(text);
    return t.train(size, List.of("<|endoftext|>"));
  }

  /** The example of Sennrich et al. 2016, figure 1, without its end-of-word marks. */
  @Test
  void mergesTheMostFrequentPairFirst() {
    BpeVocabulary v =
        train(
            "low low low low low lowest lowest newer newer newer newer newer newer wider wider"
                + " wider",
            263);
    // 9 × "er", 7 × "lo" and "low", 6 × " n", " low", "ew": among equals the lower ids win.
    assertEquals(List.of("e r", "l o", "lo w", "\u0120 n", "\u0120 low", "e w"), v.merges());
    assertEquals(263, v.size());
    assertEquals(262, v.special("<|endoftext|>"));
    assertTrue(v.isSpecial(262) && !v.isSpecial(261));
  }

  @Test
  void theSameTextGivesTheSameVocabulary() {
    String text = "the cat and the hat and the bat sat at the mat";
    assertEquals(train(text, 270).merges(), train(text, 270).merges());
  }

  @Test
  void encodingUsesTheMerges() {
    BpeVocabulary v = train("aaab aaab aaab", 258);
    assertArrayEquals(new int[] {'b', 256, 'a', 'b'}, v.encode("baaab"));
    assertArrayEquals(new int[] {0xc3, 0xbc}, v.encode("ü"));
    assertArrayEquals(new int[0], v.encode(""));
  }

  @Test
  void aSizeThatTheTextDoesNotGiveIsRefused() {
    UserError tooLarge = assertThrows(UserError.class, () -> train("ab", 300));
    assertEquals("the text gives a vocabulary of 258 entries: expected 300", tooLarge.getMessage());
    assertThrows(UserError.class, () -> train("ab", 256));
  }
}
