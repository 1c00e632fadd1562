package assay.cost;

import static org.junit.jupiter.api.Assertions.assertEquals;

import assay.testing.Draws;
import java.util.HashSet;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The closed forms against counting the mask. */
class CausalPairsTest {
  static Stream<Arguments> closedFormsEqualCountingArguments() {
    return Draws.ints(200, 0, 70, 1, 70, 0, 90);
  }

  @ParameterizedTest
  @MethodSource("closedFormsEqualCountingArguments")
  void closedFormsEqualCounting(int first, int tokens, int window) {
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

  static Stream<Arguments> chunksAddUpArguments() {
    return Draws.ints(200, 2, 5000, 0, 6000);
  }

  @ParameterizedTest
  @MethodSource("chunksAddUpArguments")
  void chunksAddUp(int tokens, int window) {
    int half = tokens / 2;
    assertEquals(
        CausalPairs.pairs(0, tokens, window),
        CausalPairs.pairs(0, half, window) + CausalPairs.pairs(half, tokens - half, window));
  }
}
