package assay.tokenizer;

import assay.checkpoint.GgufArray;
import assay.checkpoint.GgufFile;
import assay.model.UserError;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.OptionalInt;

/**
 * The entries of a vocabulary inside a GGUF file, as they stand there: texts, scores, types. Keys
 * are those of docs/gguf.md in github.com/ggml-org/ggml.
 */
final class Vocabulary {
  private static final String PREFIX = "tokenizer.ggml.";

  private final GgufFile file;
  private final byte[][] texts;
  private final float[] scores;
  private final TokenType[] types;

  private Vocabulary(GgufFile file, byte[][] texts, float[] scores, TokenType[] types) {
    this.file = file;
    this.texts = texts;
    this.scores = scores;
    this.types = types;
  }

  /**
   * Reads and checks the entries.
   *
   * @throws UserError when there is no vocabulary or its arrays disagree
   */
  static Vocabulary read(GgufFile file) {
    byte[][] texts = file.array(PREFIX + "tokens").strings();
    if (texts.length == 0) {
      throw new UserError(file.path() + ": tokenizer.ggml.tokens is empty");
    }
    for (int i = 0; i < texts.length; i++) {
      if (texts[i].length == 0) {
        texts[i] = ("[EMPTY_" + i + "]").getBytes(StandardCharsets.UTF_8);
      }
    }
    float[] scores = new float[texts.length];
    if (file.has(PREFIX + "scores")) {
      scores = sized(file, "scores", texts.length).floats();
    }
    TokenType[] types = new TokenType[texts.length];
    Arrays.fill(types, TokenType.NORMAL);
    if (file.has(PREFIX + "token_type")) {
      int[] numbers = sized(file, "token_type", texts.length).ints();
      Arrays.setAll(types, i -> TokenType.of(numbers[i]));
    }
    return new Vocabulary(file, texts, scores, types);
  }

  private static GgufArray sized(GgufFile file, String key, int least) {
    GgufArray a = file.array(PREFIX + key);
    if (a.size() < least) {
      throw new UserError(
          "%s: tokenizer.ggml.%s has %d entries, the vocabulary %d"
              .formatted(file.path(), key, a.size(), least));
    }
    return a;
  }

  int size() {
    return texts.length;
  }

  byte[] text(int id) {
    return texts[id];
  }

  String string(int id) {
    return new String(texts[id], StandardCharsets.UTF_8);
  }

  float score(int id) {
    return scores[id];
  }

  TokenType type(int id) {
    return types[id];
  }

  void setType(int id, TokenType type) {
    types[id] = type;
  }

  /** {@code tokenizer.ggml.model}: llama, gpt2, … */
  String model() {
    return file.string(PREFIX + "model");
  }

  /** {@code tokenizer.ggml.pre}; "default" where absent, as llama.cpp takes it. */
  String pre() {
    return file.string(PREFIX + "pre", "default");
  }

  boolean flag(String key, boolean fallback) {
    return file.flag(PREFIX + key, fallback);
  }

  /** A token id under {@code tokenizer.ggml.KEY_token_id}; empty without the key. */
  OptionalInt token(String key) {
    String full = PREFIX + key + "_token_id";
    if (!file.has(full)) {
      return OptionalInt.empty();
    }
    long id = file.integer(full);
    if (id < 0 || id >= texts.length) {
      throw new UserError(
          "%s: %s is %s: expected an id below %d"
              .formatted(file.path(), full, Long.toUnsignedString(id), texts.length));
    }
    return OptionalInt.of((int) id);
  }

  byte[][] merges() {
    return file.array(PREFIX + "merges").strings();
  }

  UserError error(String message) {
    return new UserError(file.path() + ": " + message);
  }
}
