package assay.train.stories;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class StoryGeneratorTest {
  private static final Pattern SENTENCE_START = Pattern.compile("(?:^|[.!?]\"? |\\n)\"?[a-z]");
  private static final Pattern WRONG_ARTICLE =
      Pattern.compile("\\b[Aa] [aeio]|\\b[Aa]n (?!hour)[^aeiou]");

  @Test
  void theSameSeedTellsTheSameStory() {
    assertEquals(new StoryGenerator(1).story(5), new StoryGenerator(1).story(5));
    assertNotEquals(new StoryGenerator(1).story(5), new StoryGenerator(2).story(5));
  }

  /** The text that the built-in model learned from: another grammar needs another model. */
  @Test
  void theStoriesAreThoseOfTheBuiltInModel() {
    StoryGenerator g = new StoryGenerator(1);
    long hash = 0;
    for (int i = 0; i < 1000; i++) {
      hash = 31 * hash + g.story(i).hashCode();
    }
    assertEquals(HASH, hash, "the grammar changed: train the built-in model again");
  }

  private static final long HASH = -8875799864305680717L;

  @Test
  void storiesReadLikeStories() {
    StoryGenerator g = new StoryGenerator(1);
    Set<String> different = new HashSet<>();
    for (int i = 0; i < 3000; i++) {
      String story = g.story(i);
      different.add(story);
      assertFalse(story.matches("(?s).*[{}|@\\\\].*"), story);
      assertFalse(story.contains("  "), story);
      assertTrue(story.matches("(?s)[A-Z].*[.!?]\"?"), story);
      assertFalse(WRONG_ARTICLE.matcher(story).find(), story);
      int paragraphs = story.split("\n").length;
      assertTrue(paragraphs >= 4 && paragraphs <= 5, story);
      assertTrue(story.length() > 250 && story.length() < 1400, story);
    }
    assertTrue(different.size() > 2990, different.size() + " different stories of 3000");
  }

  /** After a full stop only dialogue tags ("…?" asked Tom) may go on in lower case. */
  @Test
  void sentencesBeginWithACapital() {
    StoryGenerator g = new StoryGenerator(3);
    for (int i = 0; i < 3000; i++) {
      String story = g.story(i);
      var m = SENTENCE_START.matcher(story.replaceAll("[?!]\" ", "\", "));
      assertFalse(m.find(), story);
    }
  }

  private static String expand(String grammar) {
    return Grammar.parse(grammar).expand("start", new SplittableRandom(1));
  }

  @Test
  void variablesKeepWhatWasChosen() {
    String grammar =
        """
        @start
        {a=name}{b=name!a}{^a.he} met {b}, {an kind}. {^an kind}!\\n{a} smiled.
        @name he
        Ann | she
        Bob | he
        @kind
        otter
        """;
    String text = expand(grammar);
    assertTrue(
        text.equals("She met Bob, an otter. An otter!\nAnn smiled.")
            || text.equals("He met Ann, an otter. An otter!\nBob smiled."),
        text);
  }

  @Test
  void whatCannotBeExpandedIsRefusedAtOnce() {
    assertRefused("@start\n{missing}\n", "no rule missing");
    assertRefused("@start\n{x=name}{x.age}\n@name he\nAnn | she\n", "rule name has no field age");
    assertRefused("@start\na | b\n", "line 2: 2 fields, rule start has 1");
    assertRefused("text\n", "line 1: an alternative before any rule");
    assertRefused("@start\n{a b c}\n", "line 2: cannot read {a b c}");
    assertRefused("@start\na\n@start\nb\n", "line 3: second rule start");
  }

  private static void assertRefused(String grammar, String message) {
    assertEquals(
        message,
        assertThrows(IllegalArgumentException.class, () -> Grammar.parse(grammar)).getMessage());
  }
}
