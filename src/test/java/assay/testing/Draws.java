package assay.testing;

import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.provider.Arguments;

/**
 * Arguments for properties that hold for all inputs: the corners of the ranges, where such a
 * property breaks first, and draws between them. The seed is fixed and JUnit prints the arguments
 * of each run, so that a failure names its own input.
 */
public final class Draws {
  private static final long SEED = 20_260_131;

  private Draws() {}

  /**
   * Tuples of ints.
   *
   * @param draws how many beside the 2ⁿ corners
   * @param bounds the smallest and the largest value of the first argument, of the second, …
   */
  public static Stream<Arguments> ints(int draws, int... bounds) {
    int n = bounds.length / 2;
    Random random = new Random(SEED);
    Stream<Arguments> corners =
        IntStream.range(0, 1 << n)
            .mapToObj(corner -> tuple(n, i -> bounds[2 * i + (corner >> i & 1)]));
    Stream<Arguments> inside =
        IntStream.range(0, draws)
            .mapToObj(d -> tuple(n, i -> random.nextInt(bounds[2 * i], bounds[2 * i + 1] + 1)));
    return Stream.concat(corners, inside);
  }

  /** Doubles whose logarithms are spread evenly between those of two positive bounds. */
  public static Stream<Arguments> logarithmic(int draws, double least, double most) {
    Random random = new Random(SEED);
    return Stream.concat(
        Stream.of(Arguments.of(least), Arguments.of(most)),
        Stream.generate(() -> least * Math.exp(random.nextDouble() * Math.log(most / least)))
            .limit(draws)
            .map(Arguments::of));
  }

  private static Arguments tuple(int n, java.util.function.IntUnaryOperator value) {
    return Arguments.of(IntStream.range(0, n).map(value).boxed().toArray());
  }
}
