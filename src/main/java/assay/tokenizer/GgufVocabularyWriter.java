package assay.tokenizer;

import assay.checkpoint.GgufFile;
import assay.checkpoint.GgufMetadata;
import assay.checkpoint.GgufWriter;
import assay.model.UserError;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import tools.jackson.databind.JsonNode;

/**
 * Writes a tokenizer.json's vocabulary into the metadata of a GGUF file. Which kind of
 * pre-tokeniser it is, is found by trying: the kind that encodes a probing text as the
 * tokenizer.json does; where none does, nothing is written and the caller says so.
 */
public final class GgufVocabularyWriter {
  private static final String PREFIX = "tokenizer.ggml.";

  /** Kinds that differ from each other, the most common first. */
  private static final List<String> KINDS =
      List.of(
          "llama-bpe",
          "qwen2",
          "gpt-2",
          "smollm",
          "gpt-4o",
          "tekken",
          "qwen35",
          "dbrx",
          "deepseek-v3",
          "deepseek-llm",
          "deepseek-coder",
          "falcon",
          "bloom",
          "seed-coder",
          "bailingmoe");

  /** Contractions, digits, runs of spaces, line ends, several scripts, marks, emoji. */
  private static final String PROBE =
      "I'll won't WE'LL  it's 3 12 345 67890   x_y(z)\n\n"
          + "  \t tab\r\n"
          + " end. Ünïcödé e\u0301 \u4f60\u597d\uff0c\u4e16\u754c\u3002 \u3053\u3093"
          + " \u0939\u093f\u0928\u094d\u0926\u0940 \uc548\ub155 \ud83d\ude00\u200d\ud83d\udc4d"
          + " \u00a0nbsp HTTPServer fooBar a/b //c ...!?\n";

  private final Path file;
  private final JsonNode root;
  private final Tokenizer tokenizer;
  private final int rows;
  private final byte[][] texts;
  private final int[] types;

  private GgufVocabularyWriter(Path file, Tokenizer tokenizer, int rows) {
    this.file = file;
    this.root = TokenizerFiles.parse(file);
    this.tokenizer = tokenizer;
    this.rows = rows;
    this.texts = new byte[rows][];
    this.types = new int[rows];
  }

  /**
   * Adds the vocabulary to {@code metadata}.
   *
   * @param rows of the embedding matrix: entries up to there are filled with placeholders
   * @return the kind that was written, or empty where GGUF has none that encodes alike
   * @throws UserError when the file is broken or has ids beyond the rows
   */
  public static Optional<String> add(
      GgufMetadata metadata, Path file, Tokenizer tokenizer, int rows) {
    GgufVocabularyWriter w = new GgufVocabularyWriter(file, tokenizer, rows);
    w.readEntries();
    for (String kind : w.candidates()) {
      if (w.encodesAlike(kind)) {
        w.write(metadata, kind);
        return Optional.of(kind);
      }
    }
    return Optional.empty();
  }

  private List<String> candidates() {
    if (!root.path("model").path("type").asString("BPE").equals("BPE")) {
      return List.of();
    }
    return root.path("model").path("byte_fallback").asBoolean(false) ? List.of("llama") : KINDS;
  }

  private void readEntries() {
    for (Map.Entry<String, JsonNode> e : root.path("model").path("vocab").properties()) {
      put(e.getValue(), e.getKey(), TokenType.NORMAL);
    }
    for (JsonNode t : root.path("added_tokens")) {
      boolean special = t.path("special").asBoolean(false);
      put(
          t.path("id"),
          t.path("content").asString(""),
          special ? TokenType.CONTROL : TokenType.USER_DEFINED);
    }
    for (int id = 0; id < rows; id++) {
      if (texts[id] == null) {
        texts[id] = ("[PAD" + id + "]").getBytes(StandardCharsets.UTF_8);
        types[id] = TokenType.UNUSED.code();
      }
    }
  }

  private void put(JsonNode id, String text, TokenType type) {
    if (!id.isIntegralNumber() || !id.canConvertToInt() || id.intValue() < 0) {
      throw new UserError(file + ": the id of '" + text + "' is " + id);
    }
    if (id.intValue() >= rows) {
      throw new UserError(
          "%s: token '%s' has id %s: the embedding has %d rows".formatted(file, text, id, rows));
    }
    boolean fallback = root.path("model").path("byte_fallback").asBoolean(false);
    boolean isByte = fallback && type == TokenType.NORMAL && text.matches("<0x[0-9A-F]{2}>");
    texts[id.intValue()] = text.getBytes(StandardCharsets.UTF_8);
    types[id.intValue()] = (isByte ? TokenType.BYTE : type).code();
  }

  /** Opens a file that holds only this vocabulary, as that kind, and compares. */
  private boolean encodesAlike(String kind) {
    GgufMetadata m = new GgufMetadata();
    write(m, kind);
    Path trial = null;
    try {
      trial = Files.createTempFile("assay-vocabulary", ".gguf");
      try (GgufWriter w = new GgufWriter(trial, m, new LinkedHashMap<>())) {
        w.finish();
      }
      try (GgufFile g = GgufFile.open(trial)) {
        byte[] probe = PROBE.getBytes(StandardCharsets.UTF_8);
        int[] ours = GgufTokenizer.of(g).encode(probe, false, false);
        return Arrays.equals(ours, tokenizer.encode(probe, false, false));
      }
    } catch (IOException e) {
      throw new UserError("no room for a temporary file: " + e.getMessage());
    } finally {
      delete(trial);
    }
  }

  private static void delete(@org.jspecify.annotations.Nullable Path trial) {
    try {
      if (trial != null) {
        Files.deleteIfExists(trial);
      }
    } catch (IOException e) {
      trial.toFile().deleteOnExit();
    }
  }

  private void write(GgufMetadata m, String kind) {
    boolean llama = kind.equals("llama");
    m.string(PREFIX + "model", llama ? "llama" : "gpt2");
    m.string(PREFIX + "pre", llama ? "default" : kind);
    m.strings(PREFIX + "tokens", texts).ints(PREFIX + "token_type", types);
    if (llama) {
      m.floats(PREFIX + "scores", scores());
      m.flag(PREFIX + "add_space_prefix", putsSpaceInFront());
    } else {
      m.strings(PREFIX + "merges", merges());
    }
    special(m, "bos", tokenizer.beginToken());
    special(m, "eos", tokenizer.endToken());
    int[] framed = tokenizer.encode("a".getBytes(StandardCharsets.UTF_8), true, false);
    m.flag(PREFIX + "add_bos_token", is(tokenizer.beginToken(), framed, 0));
    m.flag(PREFIX + "add_eos_token", is(tokenizer.endToken(), framed, framed.length - 1));
    tokenizer.stopTokens().stream()
        .filter(id -> id != tokenizer.endToken().orElse(-1) && id < rows)
        .findFirst()
        .ifPresent(id -> m.uint32(PREFIX + "eot_token_id", id));
    tokenizer.chatTemplate().ifPresent(t -> m.string("tokenizer.chat_template", t));
  }

  private static void special(GgufMetadata m, String key, OptionalInt id) {
    id.ifPresent(i -> m.uint32(PREFIX + key + "_token_id", i));
  }

  private static boolean is(OptionalInt token, int[] ids, int at) {
    return token.isPresent() && ids.length > 0 && ids[at] == token.getAsInt();
  }

  private boolean putsSpaceInFront() {
    int[] alone = tokenizer.encode("a");
    int[] spaced = tokenizer.encode(" a");
    return !Arrays.equals(alone, spaced)
        && alone.length > 0
        && new String(texts[alone[0]], StandardCharsets.UTF_8).charAt(0) == SpaceMark.CHAR;
  }

  /** Merges are pairs, either as "left right" or as an array of two. */
  private byte[][] merges() {
    JsonNode merges = root.path("model").path("merges");
    byte[][] out = new byte[merges.size()][];
    for (int i = 0; i < out.length; i++) {
      JsonNode m = merges.get(i);
      String pair =
          m.isString() ? m.stringValue() : m.path(0).asString("") + " " + m.path(1).asString("");
      out[i] = pair.getBytes(StandardCharsets.UTF_8);
    }
    return out;
  }

  /**
   * SentencePiece merges by the score of what comes out: minus the rank of the first merge that
   * makes a token.
   */
  private float[] scores() {
    Map<String, Integer> rank = new HashMap<>();
    byte[][] merges = merges();
    for (int i = 0; i < merges.length; i++) {
      rank.putIfAbsent(new String(merges[i], StandardCharsets.UTF_8).replace(" ", ""), i);
    }
    float[] out = new float[rows];
    for (int id = 0; id < rows; id++) {
      Integer r = rank.get(new String(texts[id], StandardCharsets.UTF_8));
      out[id] = r == null ? -1e9f : -r;
    }
    return out;
  }
}
