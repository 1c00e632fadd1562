package assay.cost;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.HashSet;
import java.util.Set;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

/** The closed forms against counting the mask. */
class CausalPairsTest {
  @Property
  void closedFormsEqualCounting(
      @ForAll @IntRange(max = 70) int first,
      @ForAll @IntRange(min = 1, max = 70) int tokens,
      @ForAll @IntRange(max = 90) int window) {
    long pairs = 0;
    Set<Integer> keys = new HashSet<>();
    for (int query = first; query < first + tokens; query++) {
      for (int key = 0; key <= query; key++) {
        if (window == 0 || query - key < window) {
          pairs++;
          keys.add(key);
        }
      }
    }
    assertEquals(pairs, CausalPairs.pairs(first, tokens, window));
    assertEquals(keys.size(), CausalPairs.keys(first, tokens, window));
  }

  @Property
  void chunksAddUp(
      @ForAll @IntRange(min = 2, max = 5000) int tokens, @ForAll @IntRange(max = 6000) int window) {
    int half = tokens / 2;
    assertEquals(
        CausalPairs.pairs(0, tokens, window),
        CausalPairs.pairs(0, half, window) + CausalPairs.pairs(half, tokens - half, window));
  }
}
