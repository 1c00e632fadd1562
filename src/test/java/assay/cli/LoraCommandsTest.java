package assay.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.checkpoint.SafetensorsFile;
import assay.engine.Closeness;
import assay.engine.Golden;
import assay.testing.LoraFiles;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** An adapter through the commands: beside the built-in model, merged into it, and refused. */
class LoraCommandsTest {
  private static final Path PEFT = Path.of("src/test/resources/lora/gpt2");
  private static final Path GPT2 = Path.of("src/test/resources/golden/gpt2");

  @TempDir Path temp;
  private String adapter = "";

  @BeforeEach
  void anAdapterOfTheBuiltInModel() {
    LoraFiles files = new LoraFiles();
    for (int l = 0; l < 8; l++) {
      files.module("model.layers." + l + ".self_attn.v_proj", 4, 128, 64);
      files.module("model.layers." + l + ".mlp.up_proj", 4, 128, 384);
    }
    String config =
        LoraFiles.config("\"r\":4,\"lora_alpha\":4,\"target_modules\":[\"v_proj\",\"up_proj\"]");
    adapter = files.write(temp.resolve("adapter"), config).toString();
  }

  private static float[] logits(Path file) {
    try (SafetensorsFile f = SafetensorsFile.open(file)) {
      return Golden.floats(f, "logits");
    }
  }

  @Test
  void logitsBesideAndMergedAreThoseOfPeft() {
    Path beside = temp.resolve("beside.safetensors");
    Path merged = temp.resolve("merged.safetensors");
    Path folder = temp.resolve("merged");
    String ids;
    float[] expected;
    try (SafetensorsFile f = SafetensorsFile.open(PEFT.resolve("expected.safetensors"))) {
      int[] prompt = Golden.ids(f, "input_ids")[0];
      ids = java.util.Arrays.toString(prompt).replaceAll("[\\[\\] ]", "");
      expected = Golden.floats(f, "logits");
    }
    String base = GPT2.toString();
    CommandRun.of(
            "logits", base, "--ids", ids, "--adapter", PEFT.toString(), "--out", beside.toString())
        .text();
    JsonNode written =
        CommandRun.of(
                "convert",
                base,
                "--merge-lora",
                PEFT.toString(),
                "--out",
                folder.toString(),
                "--json")
            .document();
    assertTrue(written.get("remarks").toString().contains("9216 trainable"), written.toString());
    CommandRun.of("logits", folder.toString(), "--ids", ids, "--out", merged.toString()).text();
    Closeness.check("beside", logits(beside), expected, 1e-4, 1e-5);
    Closeness.check("merged", logits(merged), expected, 1e-4, 1e-5);
  }

  @Test
  void aGgufOfTheMergedModelSaysTheSame() {
    Path gguf = temp.resolve("merged.gguf");
    CommandRun.of("convert", "builtin", "--merge-lora", adapter, "--gguf", gguf.toString()).text();
    String[] options = {"-n", "12", "--temperature", "0", "--json"};
    JsonNode plain = generate("builtin", null, options);
    JsonNode beside = generate("builtin", adapter, options);
    JsonNode merged = generate(gguf.toString(), null, options);
    assertEquals("builtin+adapter", beside.get("model").asString());
    assertNotEquals(plain.get("ids"), beside.get("ids"), "the adapter changes what is said");
    assertEquals(beside.get("ids"), merged.get("ids"));
    long added =
        beside.at("/memory/weights_bytes").asLong() - plain.at("/memory/weights_bytes").asLong();
    assertEquals(2L * 8 * (4 * (128 + 64) + 4 * (128 + 384)), added, "A and B in fp16");
    assertEquals(
        plain.at("/memory/weights_bytes").asLong(), merged.at("/memory/weights_bytes").asLong());
  }

  private static JsonNode generate(String model, String lora, String... options) {
    java.util.List<String> args = new java.util.ArrayList<>();
    args.add("generate");
    args.add(model);
    args.add("--prompt");
    args.add("Once upon a time");
    args.addAll(java.util.List.of(options));
    if (lora != null) {
      args.add("--adapter");
      args.add(lora);
    }
    return CommandRun.of(args.toArray(String[]::new)).document();
  }

  @Test
  void aQuantisedBaseRunsUnmergedOnly() {
    String gguf = temp.resolve("base-q8_0.gguf").toString();
    CommandRun.of("convert", "builtin", "--gguf", gguf, "--type", "q8_0").text();
    JsonNode beside = generate(gguf, adapter, "-n", "3", "--json");
    assertEquals(3, beside.get("generated_tokens").asInt());
    Path out = temp.resolve("not-written");
    String line =
        CommandRun.of("convert", gguf, "--merge-lora", adapter, "--out", out.toString()).error(2);
    assertTrue(line.contains("quantised") && line.contains("--adapter"), line);
    assertFalse(Files.exists(out));
  }

  @Test
  void inspectCountsWhatItTrainsAndCosts() {
    JsonNode a =
        CommandRun.of("inspect", "builtin", "--no-values", "--adapter", adapter, "--json")
            .document()
            .get("adapter");
    long trainable = 8 * (4 * (128 + 64) + 4 * (128 + 384));
    assertEquals(trainable, a.get("trainable_parameters").asLong());
    assertEquals(8L * 128 * (64 + 384), a.get("parameters_beside").asLong());
    assertEquals(4 * trainable, a.at("/added_weights_bytes_by_precision/fp32").asLong());
    // 2 per parameter, and the additions to v and up.
    assertEquals(2 * trainable + 8 * (64 + 384), a.get("added_flops_per_token").asLong());
    String text = CommandRun.of("inspect", "builtin", "--no-values", "--adapter", adapter).text();
    assertTrue(text.contains("trains 22,528 parameters instead of the 458,752"), text);
  }

  @Test
  void runPredictsAndMeasuresItsBytesAndFlops() {
    JsonNode row =
        CommandRun.of(
                "run",
                "--adapter",
                adapter,
                "--precisions",
                "int8",
                "--prompt",
                "13",
                "--generate",
                "3",
                "--json",
                "--out",
                temp.resolve("results").toString())
            .document()
            .get("results")
            .get(0);
    assertEquals("builtin+adapter", row.at("/model/name").asString(), "builtin by default");
    assertEquals("checkpoint", row.at("/model/weights").asString());
    for (String key :
        new String[] {
          "weights_bytes",
          "activations_bytes",
          "total_bytes",
          "prefill_flops",
          "decode_flops_per_token"
        }) {
      assertEquals(row.get("estimate").get(key), row.get("measured").get(key), key);
    }
    assertTrue(row.get("command").asString().contains("--adapter"), row.toString());
  }

  @Test
  void compareSetsMergedBesideUnmerged() {
    JsonNode rows =
        CommandRun.of(
                "compare", "--adapter", adapter, "--tokens", "60", "--precisions", "fp32", "--json")
            .document()
            .get("comparisons");
    assertEquals("fp32", rows.get(0).get("variant").asString());
    assertEquals("fp32 merged", rows.get(1).get("variant").asString());
    assertEquals("fp32 base", rows.get(2).get("variant").asString());
    assertTrue(rows.get(1).get("kl_mean_nats").asDouble() < 1e-9, rows.get(1).toString());
    assertTrue(rows.get(2).get("kl_mean_nats").asDouble() > 1e-3, rows.get(2).toString());
    long unmerged = rows.get(0).get("weights_bytes").asLong();
    long merged = rows.get(1).get("weights_bytes").asLong();
    assertEquals(4 * 22_528, unmerged - merged);
  }

  @Test
  void mistakesAreOneLine() {
    String line = CommandRun.of("generate", "--adapter", temp.resolve("no").toString()).error(2);
    assertTrue(line.contains("adapter_config.json"), line);
    line = CommandRun.of("logits", "tiny", "--ids", "1", "--adapter", adapter).error(2);
    assertTrue(line.contains("the base model and the rank ask for [4, 288]"), line);
  }
}
