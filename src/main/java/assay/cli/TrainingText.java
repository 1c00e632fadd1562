package assay.cli;

import assay.model.UserError;
import assay.tokenizer.BpeTrainer;
import assay.tokenizer.BpeVocabulary;
import assay.train.stories.StoryGenerator;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The tokens that a model is trained on, and those that it is judged by.
 *
 * @param vocabulary learned from the text
 * @param tokens for training
 * @param starts where texts begin in {@code tokens}
 * @param otherTokens for validation, never trained on
 * @param otherStarts where texts begin in them
 * @param characters of the training text
 */
@SuppressWarnings("ArrayRecordComponent") // handed on, never compared
record TrainingText(
    @Nullable BpeVocabulary vocabulary,
    int[] tokens,
    int[] starts,
    int[] otherTokens,
    int[] otherStarts,
    long characters) {

  /** Stories that the vocabulary is learned from: all words occur in far fewer. */
  private static final int VOCABULARY_STORIES = 20_000;

  private static final int OTHER_STORIES = 400;

  /** Stories with these indices are never trained on. */
  private static final long FIRST_OTHER_STORY = 1L << 40;

  /** The first {@code count} stories of a seed. */
  static TrainingText stories(int count, long seed, int vocabularySize) {
    StoryGenerator stories = new StoryGenerator(seed);
    BpeTrainer trainer = new BpeTrainer();
    for (int i = 0; i < Math.min(count, VOCABULARY_STORIES); i++) {
      trainer.add(stories.story(i));
    }
    BpeVocabulary v = trainer.train(vocabularySize, List.of(StoryGenerator.END_OF_TEXT));
    Row row = new Row(v);
    for (int i = 0; i < count; i++) {
      row.add(stories.story(i));
    }
    Row others = new Row(v);
    for (int i = 0; i < OTHER_STORIES; i++) {
      others.add(stories.story(FIRST_OTHER_STORY + i));
    }
    return new TrainingText(
        v, row.tokens(), row.starts(), others.tokens(), others.starts(), row.characters);
  }

  /** Tokens drawn evenly: nothing to learn, for measuring steps of any vocabulary. */
  static TrainingText random(int count, long seed, int vocabularySize) {
    java.util.SplittableRandom random = new java.util.SplittableRandom(seed);
    int[] none = new int[0];
    int[] tokens = random.ints(count, 0, vocabularySize).toArray();
    int[] others = random.ints(count, 0, vocabularySize).toArray();
    return new TrainingText(null, tokens, none, others, none, 0);
  }

  /** One text; its last twentieth is kept back for validation. */
  static TrainingText of(String text, int vocabularySize) {
    int cut = text.length() - text.length() / 20;
    if (cut == 0) {
      throw new UserError("the text is empty");
    }
    BpeTrainer trainer = new BpeTrainer();
    trainer.add(text.substring(0, cut));
    BpeVocabulary v = trainer.train(vocabularySize, List.of(StoryGenerator.END_OF_TEXT));
    int[] none = new int[0];
    return new TrainingText(
        v, v.encode(text.substring(0, cut)), none, v.encode(text.substring(cut)), none, cut);
  }

  /**
   * Stories that the built-in model never saw, an end mark after each, at least {@code characters}
   * long in all.
   */
  static String unseen(long seed, int characters) {
    StoryGenerator stories = new StoryGenerator(seed);
    StringBuilder out = new StringBuilder();
    for (int i = 0; out.length() < characters; i++) {
      out.append(stories.story(FIRST_OTHER_STORY + i)).append(StoryGenerator.END_OF_TEXT);
    }
    return out.toString();
  }

  /** Texts one after the other, an end token after each. */
  private static final class Row {
    private final BpeVocabulary vocabulary;
    private final int end;
    private int[] tokens = new int[1 << 16];
    private int[] starts = new int[1 << 10];
    private int nTokens;
    private int nStarts;
    private long characters;

    Row(BpeVocabulary vocabulary) {
      this.vocabulary = vocabulary;
      this.end = vocabulary.special(StoryGenerator.END_OF_TEXT);
    }

    void add(String text) {
      int[] ids = vocabulary.encode(text);
      while (nTokens + ids.length + 1 > tokens.length) {
        tokens = Arrays.copyOf(tokens, 2 * tokens.length);
      }
      if (nStarts == starts.length) {
        starts = Arrays.copyOf(starts, 2 * starts.length);
      }
      starts[nStarts++] = nTokens;
      System.arraycopy(ids, 0, tokens, nTokens, ids.length);
      nTokens += ids.length;
      tokens[nTokens++] = end;
      characters += text.length();
    }

    int[] tokens() {
      return Arrays.copyOf(tokens, nTokens);
    }

    int[] starts() {
      return Arrays.copyOf(starts, nStarts);
    }
  }
}
