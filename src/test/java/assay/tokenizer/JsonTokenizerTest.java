package assay.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.checkpoint.GgufExport;
import assay.checkpoint.GgufFile;
import assay.checkpoint.GgufMetadata;
import assay.checkpoint.RandomWeights;
import assay.model.ModelConfig;
import assay.model.UserError;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * tokenizer.json of each kind against what Hugging Face's own Python gives
 * (src/test/resources/tokenizers), and carried over into GGUF.
 */
class JsonTokenizerTest {
  private static final Path FOLDER = Path.of("src/test/resources/tokenizers");

  @TempDir Path temp;

  private static Tokenizer open(String kind) {
    return Tokenizers.json(FOLDER.resolve(kind).resolve("tokenizer.json"));
  }

  private static int[] ints(JsonNode node) {
    int[] out = new int[node.size()];
    for (int i = 0; i < out.length; i++) {
      out[i] = node.get(i).intValue();
    }
    return out;
  }

  @ParameterizedTest
  @CsvSource({
    "byte-bpe, BPE, 330",
    "sp-bpe, BPE, 381",
    "unigram, Unigram, 97",
    "wordpiece, WordPiece, 184"
  })
  void encodesAndDecodesAsTheLibrarysPython(String kind, String model, int entries)
      throws IOException {
    JsonNode cases =
        new JsonMapper().readTree(Files.readString(FOLDER.resolve(kind).resolve("expected.json")));
    assertEquals(10, cases.size());
    try (Tokenizer t = open(kind)) {
      assertTrue(t.kind().startsWith(model), t.kind());
      assertEquals(entries, t.vocabulary().total());
      for (JsonNode c : cases) {
        String text = c.get("text").stringValue();
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        int[] ids = t.encode(bytes, false, true);
        assertArrayEquals(ints(c.get("ids")), ids, text);
        assertArrayEquals(ints(c.get("special_ids")), t.encode(bytes, true, true), text);
        assertEquals(c.get("decoded").stringValue(), t.decode(ids), text);
      }
      UserError e = assertThrows(UserError.class, () -> t.decode(new int[] {entries + 7}));
      assertTrue(e.getMessage().contains("token id " + (entries + 7)), e.getMessage());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"byte-bpe", "sp-bpe"})
  void decodingIsTheInverseOfEncoding(String kind) {
    try (Tokenizer t = open(kind)) {
      RandomTexts.check(t);
    }
  }

  /** A file that GGUF can hold encodes the same from there. */
  @ParameterizedTest
  @CsvSource({"byte-bpe, byte-level BPE", "sp-bpe, SentencePiece"})
  void aGgufOfItEncodesAlike(String kind, String words) {
    try (Tokenizer json = open(kind);
        GgufFile file = gguf(kind, json);
        Tokenizer gguf = GgufTokenizer.of(file)) {
      assertTrue(gguf.kind().startsWith(words), gguf.kind());
      for (String text : RandomTexts.plain(60)) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        assertArrayEquals(json.encode(bytes, false, true), gguf.encode(bytes, false, true), text);
      }
      RandomTexts.check(gguf);
    }
  }

  private GgufFile gguf(String kind, Tokenizer json) {
    ModelConfig c =
        ModelConfig.builder("x", "llama")
            .size(1, 32, 32)
            .heads(2, 2, 16)
            .tokens(json.vocabulary().total(), 16)
            .build();
    Path path = temp.resolve(kind + ".gguf");
    try (RandomWeights w = new RandomWeights(c, 1)) {
      GgufExport export = new GgufExport(w, null);
      GgufMetadata m = export.metadata();
      Path source = FOLDER.resolve(kind).resolve("tokenizer.json");
      assertTrue(GgufVocabularyWriter.add(m, source, json, c.vocabSize()).isPresent(), kind);
      export.write(path, m, done -> {});
    }
    return GgufFile.open(path);
  }

  @Test
  void kindsThatGgufDoesNotHaveAreLeftOut() {
    for (String kind : new String[] {"unigram", "wordpiece"}) {
      try (Tokenizer t = open(kind)) {
        Path source = FOLDER.resolve(kind).resolve("tokenizer.json");
        assertTrue(GgufVocabularyWriter.add(new GgufMetadata(), source, t, 400).isEmpty());
      }
    }
  }

  @Test
  void aVocabularyLargerThanTheEmbeddingIsRefused() {
    try (Tokenizer t = open("byte-bpe")) {
      Path source = FOLDER.resolve("byte-bpe/tokenizer.json");
      UserError e =
          assertThrows(
              UserError.class, () -> GgufVocabularyWriter.add(new GgufMetadata(), source, t, 300));
      assertTrue(e.getMessage().contains("300"), e.getMessage());
    }
  }

  @Test
  void invalidUtf8DoesNotThrow() {
    byte[] broken = {'a', (byte) 0xff, (byte) 0xc3, 'b', (byte) 0xe2, (byte) 0x82};
    for (String kind : new String[] {"byte-bpe", "sp-bpe", "unigram", "wordpiece"}) {
      try (Tokenizer t = open(kind)) {
        assertTrue(t.encode(broken, false, false).length > 0, kind);
      }
    }
  }

  /** What would take the process down inside the library never reaches it. */
  @Test
  void longEntriesAreRefusedBeforeTheLibrarySeesThem() throws IOException {
    Path file = temp.resolve("tokenizer.json");
    String json = Files.readString(FOLDER.resolve("unigram/tokenizer.json"));
    assertTrue(json.contains("[\"</s>\""));
    for (int length : new int[] {900, 40_000}) {
      Files.writeString(file, json.replace("[\"</s>\"", "[\"" + "x".repeat(length) + "\""));
      if (length > 1000) {
        UserError e = assertThrows(UserError.class, () -> Tokenizers.json(file).close());
        assertTrue(e.getMessage().contains("40000 characters"), e.getMessage());
      } else {
        try (Tokenizer t = Tokenizers.json(file)) {
          assertFalse(t.encode("upon a time").length == 0);
        }
      }
    }
  }
}
