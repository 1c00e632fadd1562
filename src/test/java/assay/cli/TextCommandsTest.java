package assay.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.checkpoint.SafetensorsFile;
import assay.engine.Closeness;
import assay.engine.Golden;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;

/** tokens, logits, generate, convert and train as a user types them. */
class TextCommandsTest {
  private static final String TOKENIZER = "src/test/resources/tokenizers/byte-bpe";
  private static final String LLAMA = "src/test/resources/golden/llama";

  @TempDir Path temp;

  private static List<Integer> ints(JsonNode node) {
    List<Integer> out = new ArrayList<>();
    node.forEach(n -> out.add(n.intValue()));
    return out;
  }

  private static String joined(List<Integer> ids) {
    return ids.toString().replaceAll("[\\[\\] ]", "");
  }

  // ---- tokens

  @Test
  void tokensGoThereAndBack() throws IOException {
    String text = "Once upon a time: 12 étoiles 😀";
    Path file = Files.writeString(temp.resolve("text"), text);
    for (String model : new String[] {"builtin", TOKENIZER, TOKENIZER + "/tokenizer.json"}) {
      JsonNode d =
          CommandRun.of("tokens", model, "--text", text, "--text-file", file.toString(), "--json")
              .document()
              .get("texts");
      assertEquals(2, d.size());
      JsonNode one = d.get(0);
      assertEquals(one, d.get(1));
      assertEquals(text.codePointCount(0, text.length()), one.get("characters").asInt());
      assertEquals(text.length() + 1 + 2, one.get("bytes").asInt(), "é is 2 bytes, 😀 is 4");
      double perToken = one.get("characters_per_token").asDouble();
      assertEquals(one.get("characters").asDouble() / one.get("ids").size(), perToken);
      String ids = joined(ints(one.get("ids")));
      assertEquals(text + "\n", CommandRun.of("tokens", model, "--decode", ids).text());
    }
  }

  @Test
  void tokensTakeBytesAsTheyAre() throws IOException {
    Path file = Files.write(temp.resolve("bytes"), new byte[] {'a', (byte) 0xff, 0, (byte) 0xc3});
    JsonNode d =
        CommandRun.of("tokens", "builtin", "--text-file", file.toString(), "--json").document();
    assertEquals(4, d.at("/texts/0/bytes").asInt());
    assertTrue(d.at("/texts/0/ids").size() >= 1);
  }

  @ParameterizedTest
  @CsvSource({
    "tokens builtin, nothing to do",
    "tokens --text x, no MODEL",
    "tokens builtin --text-file /no/such/file, no such file",
    "tokens builtin --decode 1;99999, token id 99999",
    "tokens builtin --decode 1;x, --decode",
    "tokens tiny --text x, preset without a tokenizer",
    "logits builtin, either --ids or --ids-file",
    "logits builtin --ids 1 --ids 1;2;3, equal lengths",
    "logits builtin --ids 99999, token id 99999",
    "logits builtin --ids 1 --layers, --layers needs --out",
    "logits builtin --ids 1 --precision fp7, unknown precision",
    "generate builtin --prompt x --ids 1, expected one of",
    "generate tiny --prompt x, preset without a tokenizer",
    "generate builtin -n 0, expected 1 or more",
    "generate builtin --chat, no chat template",
    "generate builtin --ids 1 --chat, --chat needs a text",
    "generate builtin --prompt '', prompt is empty",
    "generate builtin --temperature -1, temperature",
    "generate builtin --top-p 2, top-p",
    "generate --context 3, 'the prompt has 4 tokens: the context holds 3'",
    "convert builtin, either --gguf",
    "convert builtin --gguf x.gguf --type q2, expected f32",
    "convert builtin --folder x --type q8_0, write a GGUF file",
    "convert nothing --gguf x.gguf, no preset",
  })
  void mistakesAreOneLineAndTwo(String command, String expected) {
    String[] args = command.replace(';', ',').split(" ");
    for (int i = 0; i < args.length; i++) {
      args[i] = args[i].equals("''") ? "" : args[i];
    }
    String line = CommandRun.of(args).error(2);
    assertTrue(line.contains(expected), line);
  }

  // ---- logits

  @Test
  void logitsAreThoseOfTheGoldenModel() {
    try (SafetensorsFile f = SafetensorsFile.open(Path.of(LLAMA, "expected.safetensors"))) {
      Path out = temp.resolve("logits.safetensors");
      JsonNode d =
          CommandRun.of(
                  "logits",
                  LLAMA,
                  "--ids-file",
                  LLAMA + "/expected.safetensors",
                  "--out",
                  out.toString(),
                  "--layers",
                  "--json")
              .document();
      assertEquals(2, d.get("batch").asInt());
      assertEquals(40, d.get("sequence").asInt());
      assertEquals(Golden.ids(f, "greedy_ids")[0][0], d.at("/next_ids/0").asInt());
      try (SafetensorsFile written = SafetensorsFile.open(out)) {
        Closeness.check(
            "logits", Golden.floats(written, "logits"), Golden.floats(f, "logits"), 1e-4, 1e-5);
        assertEquals(List.of(2L, 40L, 64L), written.entries().get("hidden_3").shape());
      }
    }
  }

  // ---- generate

  @Test
  void theSameSeedGivesTheSameText() {
    String[] args = {"generate", "builtin", "-n", "30", "--seed", "5", "--json"};
    JsonNode a = CommandRun.of(args).document();
    JsonNode b = CommandRun.of(args).document();
    args[5] = "6";
    JsonNode c = CommandRun.of(args).document();
    assertEquals(a.get("text"), b.get("text"));
    assertFalse(a.get("text").equals(c.get("text")), "another seed, another text");
    assertTrue(a.get("time_to_first_token_seconds").asDouble() > 0);
    assertTrue(a.at("/memory/kv_cache_bytes").asLong() > 0);
  }

  /** Greedy text of the built-in model by llama.cpp v0.5.0 from the same prompt, 48 tokens. */
  @Test
  void greedyTextIsThatOfLlamaCpp() {
    int[] expected = {
      353, 283, 258, 1048, 820, 443, 540, 46, 554, 346, 307, 258, 748, 412, 913, 259, 685, 46, 10,
      399, 936, 511, 392, 286, 259, 614, 286, 309, 1125, 1270, 46, 554, 392, 258, 482, 1220, 44,
      277, 628, 258, 482, 1220, 1178, 46, 342, 573, 373, 431
    };
    JsonNode d = CommandRun.of("generate", "-n", "48", "--temperature", "0", "--json").document();
    assertArrayEquals(expected, ints(d.get("ids")).stream().mapToInt(i -> i).toArray());
  }

  @Test
  void aPromptLongerThanTheContextIsSaidWithBothLengths() {
    String ids = "1,".repeat(599) + "1";
    String line = CommandRun.of("generate", "builtin", "--ids", ids).error(2);
    assertTrue(line.contains("the prompt has 600 tokens: the context holds 512"), line);
    line = CommandRun.of("generate", "builtin", "--ids", ids, "--context", "1000").error(2);
    assertTrue(line.contains("--context 1000: builtin has positions for 512"), line);
  }

  @Test
  void chatFillsTheTemplateOfTheTokenizer() throws IOException {
    Path folder = Files.createDirectory(temp.resolve("chat"));
    Files.writeString(
        folder.resolve("config.json"),
        """
        {"model_type":"llama","num_hidden_layers":1,"hidden_size":32,"intermediate_size":48,
         "num_attention_heads":2,"vocab_size":330,"max_position_embeddings":64,
         "rms_norm_eps":1e-5,"eos_token_id":7}
        """);
    Files.copy(Path.of(TOKENIZER, "tokenizer.json"), folder.resolve("tokenizer.json"));
    String config = folder.resolve("config.json").toString();
    Path template = folder.resolve("chat_template.jinja");
    Files.writeString(
        template, "{% for m in messages %}{{ m.role }}: {{ m.content }}<|end|>{% endfor %}");
    String rendered = "system: Be short.<|end|>user: the stars<|end|>";
    JsonNode tokens =
        CommandRun.of("tokens", folder.toString(), "--special", "--text", rendered, "--json")
            .document();
    JsonNode d =
        CommandRun.of(
                "generate",
                config,
                "--chat",
                "--system",
                "Be short.",
                "--prompt",
                "the stars",
                "-n",
                "2",
                "--ignore-end",
                "--json")
            .document();
    assertEquals(tokens.at("/texts/0/ids").size(), d.get("prompt_tokens").asInt());
    Files.writeString(template, "{{ raise_exception('Only questions, please') }}");
    String line = CommandRun.of("generate", config, "--chat", "--prompt", "x").error(2);
    assertTrue(line.contains("the chat template fails: Only questions, please"), line);
  }

  // ---- convert

  @Test
  void convertKeepsEveryLogit() {
    Path gguf = temp.resolve("llama.gguf");
    Path back = temp.resolve("back");
    CommandRun.of("convert", LLAMA, "--gguf", gguf.toString()).text();
    CommandRun.of("convert", gguf.toString(), "--folder", back.toString()).text();
    float[] first = null;
    for (String model : new String[] {LLAMA, gguf.toString(), back.toString()}) {
      Path out = temp.resolve("out.safetensors");
      CommandRun.of("logits", model, "--ids", "1,15,2,299", "--out", out.toString()).text();
      try (SafetensorsFile f = SafetensorsFile.open(out)) {
        float[] logits = Golden.floats(f, "logits");
        first = first == null ? logits : first;
        assertArrayEquals(first, logits, model);
      }
    }
    String line = CommandRun.of("convert", gguf.toString(), "--gguf", gguf.toString()).error(2);
    assertTrue(line.contains("is the model itself"), line);
  }

  // ---- train

  @Test
  void trainWritesAModelThatGenerates() throws IOException {
    Path config = temp.resolve("config.json");
    Files.writeString(
        config,
        """
        {"model_type":"llama","num_hidden_layers":1,"hidden_size":32,"intermediate_size":48,
         "num_attention_heads":2,"vocab_size":300,"max_position_embeddings":32,
         "rms_norm_eps":1e-5,"tie_word_embeddings":true}
        """);
    Path out = temp.resolve("trained.gguf");
    CommandRun run =
        CommandRun.of(
            "train",
            config.toString(),
            "--stories",
            "30",
            "--steps",
            "3",
            "--batch",
            "2",
            "--context",
            "16",
            "--threads",
            "1",
            "--out",
            out.toString(),
            "--json");
    JsonNode d = run.document();
    assertTrue(d.size() > 0, run.out());
    JsonNode text =
        CommandRun.of("generate", out.toString(), "--prompt", "Once", "-n", "3", "--json")
            .document();
    assertEquals(3, text.get("generated_tokens").asInt());
    String line =
        CommandRun.of(
                "train", config.toString(), "--stories", "3", "--context", "16", "--steps", "0")
            .error(2);
    assertTrue(line.contains("steps"), line);
  }
}
