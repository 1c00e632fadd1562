package assay.train.stories;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.SplittableRandom;

/**
 * Little stories, as many as wanted, the same ones for the same seed. Story {@code i} of a seed can
 * be had without those before it.
 */
public final class StoryGenerator {
  /** Stands between stories, and is one token of its own. */
  public static final String END_OF_TEXT = "<|endoftext|>";

  private static final String RESOURCE = "/assay/builtin/stories.grammar";

  private final Grammar grammar;
  private final long seed;

  /** Stories of the project's own grammar. */
  public StoryGenerator(long seed) {
    this(Grammar.parse(resource()), seed);
  }

  StoryGenerator(Grammar grammar, long seed) {
    this.grammar = grammar;
    this.seed = seed;
  }

  private static String resource() {
    try (InputStream in = StoryGenerator.class.getResourceAsStream(RESOURCE)) {
      if (in == null) {
        throw new IllegalStateException("resource " + RESOURCE + " is missing");
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Story number {@code index}: paragraphs separated by one line end, none at the end. */
  public String story(long index) {
    // The golden ratio's odd multiple spreads neighbouring indices over all seeds.
    return grammar.expand("plot", new SplittableRandom(seed ^ (index + 1) * 0x9E3779B97F4A7C15L));
  }
}
