package assay.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.model.Presets;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class EstimateCommandTest {
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  private int run(String... args) {
    out.getBuffer().setLength(0);
    err.getBuffer().setLength(0);
    return Main.execute(
        Main.commandLine().setOut(new PrintWriter(out, true)).setErr(new PrintWriter(err, true)),
        args);
  }

  private JsonNode json(String... args) {
    assertEquals(0, run(args), err.toString());
    return new JsonMapper().readTree(out.toString());
  }

  /** The objects of a row, with the defaults of a person: context 4096, batch 1, bf16. */
  @Test
  void jsonIsTheRowsObjects() {
    JsonNode d = json("estimate", "llama-3.1-8b", "--gpu", "H100 SXM5", "--json");
    assertEquals(8_030_261_248L, d.at("/model/parameters").asLong());
    assertEquals("random", d.at("/model/weights").asString());
    assertEquals("bf16", d.at("/precision").asString());
    assertEquals(1, d.at("/workload/batch").asInt());
    assertEquals(4096, d.at("/workload/context_tokens").asInt());
    // 4096 slots, 32 layers, K and V, 8 heads of 128, 2 bytes
    assertEquals(4096L * 32 * 2 * 8 * 128 * 2, d.at("/estimate/kv_cache_bytes").asLong());
    long sum = 0;
    for (String k : new String[] {"weights", "kv_cache", "activations", "workspace", "overhead"}) {
      sum += d.at("/estimate/" + k + "_bytes").asLong();
    }
    assertEquals(sum, d.at("/estimate/total_bytes").asLong());
    assertTrue(d.at("/estimate/prefill_seconds").asDouble() > 0);
    assertTrue(d.at("/estimate/calibration").isNull());
    assertTrue(d.at("/training").isMissingNode());
    for (JsonNode c : d.at("/constants")) {
      assertFalse(c.at("/source").asString().isEmpty(), c.toString());
    }
  }

  @Test
  void trainingIsAnObjectBeside() {
    JsonNode d =
        json("estimate", "llama-3.1-8b", "--gpu", "H100 SXM5", "--train", "--json", "--tokens=1G");
    JsonNode t = d.at("/training");
    long n = 8_030_261_248L;
    assertEquals(2 * n, t.at("/weights_bytes").asLong());
    assertEquals(12 * n, t.at("/optimizer_bytes").asLong());
    assertEquals(6.0 * n * 4096, t.at("/six_nd_flops").asDouble(), 1);
    assertTrue(t.at("/step_seconds/low").asDouble() < t.at("/step_seconds/high").asDouble());
    assertTrue(t.at("/activation_terms").size() > 10);
  }

  /** What a PEFT folder trains is what {@code inspect --adapter} counts in its files. */
  @ParameterizedTest
  @ValueSource(strings = {"llama llama-patterns", "gpt2 gpt2", "qwen2 qwen2-all"})
  void anAdaptersFolderSaysWhatIsTrained(String names) {
    String base = "src/test/resources/golden/" + names.split(" ")[0];
    String adapter = "src/test/resources/lora/" + names.split(" ")[1];
    JsonNode inspected = json("inspect", base, "--adapter", adapter, "--json").get("adapter");
    JsonNode d = json("estimate", base, "--adapter", adapter, "--train", "--context=64", "--json");
    long trained = inspected.get("trainable_parameters").asLong();
    assertEquals(trained, d.at("/training/trained_parameters").asLong());
    assertEquals(2 * trained, d.at("/training/gradients_bytes").asLong());
    // At inference they run beside the weights.
    long without =
        json("estimate", base, "--context=64", "--json").at("/estimate/weights_bytes").asLong();
    assertEquals(
        without + inspected.at("/added_weights_bytes_by_precision/bf16").asLong(),
        d.at("/estimate/weights_bytes").asLong());
    assertEquals(2, run("estimate", base, "--adapter", adapter, "--lora", "8"));
    assertTrue(err.toString().contains("expected one of them"), err.toString());
  }

  /** Several devices: each way to share, bytes and traffic; never called measured. */
  @Test
  void devicesMayShareInSeveralWays() {
    String[] args = {
      "estimate", "llama-3.1-8b", "--gpu=H100 SXM5", "--train", "--devices=8", "--zero=3"
    };
    assertEquals(0, run(args));
    assertTrue(out.toString().contains("not measured here"), out.toString());
    JsonNode all =
        json(java.util.stream.Stream.concat(
                    java.util.Arrays.stream(args), java.util.stream.Stream.of("--json"))
                .toArray(String[]::new))
            .at("/training/sharings");
    assertEquals(6, all.size(), all.toString());
    assertEquals("8 data (ZeRO 3)", all.get(0).get("parallelism").asString());
    JsonNode ddp = all.get(1);
    // A ring's all-reduce of 2 bytes a parameter over 8.
    assertEquals(2.0 * 2 * 8_030_261_248L * 7 / 8, ddp.get("sent_bytes").asDouble(), 1);
    assertTrue(
        ddp.get("bytes_per_device").asLong() > 2 * all.get(0).get("bytes_per_device").asLong());
    JsonNode shared =
        json("estimate", "llama-3.1-8b", "--gpu=H100 SXM5", "--devices=4", "--json")
            .get("estimate");
    assertEquals("4 tensor", shared.get("spread").asString());
    // Two all-reduces a layer of one row of 4096 in bf16, rings of four.
    assertEquals(32 * 2 * 2 * 3 * 4096 * 2 / 4, shared.get("decode_bytes_sent_per_step").asLong());
    double one = shared.get("decode_seconds_per_token").asDouble();
    double four = shared.get("shared_decode_seconds_per_token").asDouble();
    assertTrue(four < one && four > one / 4, four + " of " + one);
    assertEquals(2, run("estimate", "llama-3.1-8b", "--devices=8", "--tensor=2"));
  }

  /** Constants that were fitted give the utilisation, unless the user does. */
  @Test
  void aCalibrationGivesTheUtilisation() {
    String file = "results/cpu-amd-epyc-zen4/calibration.json";
    JsonNode t =
        json("estimate", "tiny", "--calibration", file, "--train", "--precision=fp32", "--json")
            .get("training");
    assertTrue(t.get("utilization_source").asString().startsWith("calibrated"), t.toString());
    double u = t.get("utilization").asDouble();
    assertTrue(u > 0.3 && u <= 1, "utilisation " + u);
    assertEquals(
        0.5,
        json(
                "estimate",
                "tiny",
                "--calibration=" + file,
                "--train",
                "--precision=fp32",
                "--utilization=0.5",
                "--json")
            .at("/training/utilization")
            .asDouble());
  }

  @Test
  void aWorkloadMayBeGivenInstead() {
    JsonNode d =
        json("estimate", "tiny", "--prompt", "100", "--generate", "20", "--batch=3", "--json");
    assertEquals(100, d.at("/workload/prompt_tokens").asInt());
    assertEquals(119, d.at("/workload/context_tokens").asInt());
    assertTrue(d.at("/estimate/prefill_seconds").isNull());
    assertEquals(6L * 2 * 3 * 119 * 288 * 2, d.at("/estimate/kv_cache_bytes").asLong());
  }

  @Test
  void severalPrecisionsMakeAList() {
    JsonNode d = json("estimate", "tiny", "--precisions", "fp32,int4", "--json");
    assertEquals("int4", d.at("/estimates/1/precision").asString());
  }

  @Test
  void figuresOfTheUserWin() {
    JsonNode d =
        json(
            "estimate",
            "tiny",
            "--peak-tflops",
            "10",
            "--bandwidth",
            "100",
            "--memory",
            "8GiB",
            "--json");
    assertEquals(1e13, d.at("/device/peak_flops_per_second/bf16/value").asDouble());
    assertEquals(1e11, d.at("/device/bandwidth_bytes_per_second/value").asDouble());
    assertEquals("given by the user", d.at("/device/bandwidth_bytes_per_second/source").asString());
    assertEquals(8L << 30, d.at("/device/memory_bytes").asLong());
    assertTrue(d.at("/estimate/prefill_seconds").asDouble() > 0);
  }

  @Test
  void withoutACardTheTableIsCompared() {
    assertEquals(0, run("estimate", "qwen2.5-7b"));
    assertTrue(out.toString().contains("RTX 4090"), out.toString());
    assertTrue(out.toString().contains("H100 SXM5 80GB"));
    assertTrue(out.toString().contains("to first token"));
  }

  @Test
  void everyPresetCanBeEstimated() {
    for (String name : Presets.byName().keySet()) {
      assertEquals(0, run("estimate", name, "--gpu=T4", "--precision=int4", "--train=false"), name);
    }
  }

  @Test
  void severalDevicesShareTheModel() {
    JsonNode d = json("estimate", "llama-3.1-70b", "--gpu=H100 SXM5", "--devices=4", "--json");
    assertEquals(4, d.at("/estimate/devices").asInt());
    assertEquals(2, d.at("/estimate/fewest_devices").asInt());
    assertTrue(
        d.at("/estimate/bytes_per_device").asLong()
            < 0.27 * d.at("/estimate/total_bytes").asLong());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "estimate",
        "estimate no-such-model",
        "estimate tiny --gpu Voodoo2",
        "estimate tiny --gpu H100",
        "estimate tiny --precision int3",
        "estimate tiny --batch 0",
        "estimate tiny --batch -1",
        "estimate tiny --context 0",
        "estimate tiny --prompt 9 --generate 9 --context 10",
        "estimate tiny --bandwidth fast",
        "estimate tiny --bandwidth -5",
        "estimate tiny --memory 24G",
        "estimate tiny --peak-tflops NaN",
        "estimate tiny --kv-cache int2",
        "estimate tiny --train --optimizer lion",
        "estimate tiny --train --precision int8",
        "estimate tiny --train --utilization 2",
        "estimate tiny --train --recompute some",
        "estimate tiny --train --devices 3 --tensor 2",
        "estimate tiny --train --zero 9",
        "estimate tiny --lora 0",
        "estimate tiny --lora 4 --lora-targets lm_head",
        "estimate tiny --qlora fp7",
        "estimate tiny --train --tokens many",
        "estimate tiny --devices 1000003",
        "estimate tiny --gpu-table no-such.csv",
        "estimate tiny --batch 100000000 --context 100000000 --train --stored-scores"
      })
  void wrongUseIsOneLineAndTwo(String line) {
    assertEquals(2, run(line.split(" ")), line + " gave " + err);
    assertEquals(1, err.toString().lines().count(), err.toString());
    assertEquals("", out.toString());
  }

  @Test
  void aUsersTableAddsACard(@TempDir Path folder) throws IOException {
    Path file = folder.resolve("cards.csv");
    Files.writeString(file, "name,memory_gb,bandwidth_gbs,bf16\nMy card,10,400,40\n");
    JsonNode d =
        json("estimate", "tiny", "--gpu=my card", "--gpu-table", file.toString(), "--json");
    assertEquals(10_000_000_000L, d.at("/device/memory_bytes").asLong());
    assertTrue(d.at("/device/bandwidth_bytes_per_second/source").asString().contains("cards.csv"));
  }

  @Test
  void modelsListsTheBuiltInModelAndEveryPreset() {
    JsonNode d = json("models", "--json");
    assertEquals(1 + Presets.byName().size(), d.at("/models").size());
    assertEquals(0, run("models"));
    Presets.byName().keySet().forEach(name -> assertTrue(out.toString().contains(name), name));
  }

  @Test
  void helpHasAnExample() {
    assertEquals(0, run("estimate", "--help"));
    assertTrue(out.toString().contains("Examples:"), out.toString());
  }
}
