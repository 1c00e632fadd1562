package assay.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.results.ResultJson;
import assay.results.ResultRow;
import assay.results.ResultsReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import tools.jackson.databind.JsonNode;

/**
 * Results as they come back from a fleet: cut, old, nonsensical, mixed; and a calibration in use.
 */
class CalibrateCommandTest {
  private static final Path SWEEP = Path.of("results", "cpu-amd-epyc-zen4", "sweep.jsonl");

  /** Rows of one precision on three shapes: enough for a fit, little enough for a test. */
  private static List<String> good;

  @TempDir Path folder;
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  @BeforeAll
  static void read() {
    good =
        ResultsReader.read(List.of(SWEEP)).rows().stream()
            .filter(r -> r.precision().equals("fp16"))
            .filter(r -> List.of("tiny", "odd-416", "wide-512").contains(r.model().name()))
            .map(ResultJson::line)
            // Without their raw samples no row is left out as too scattered.
            .map(l -> l.replaceFirst("\"samples\":\\{.*?\\},\"arithmetic\"", "\"arithmetic\""))
            .toList();
    assertTrue(good.size() >= 10, "rows " + good.size());
  }

  private int execute(String... args) {
    out.getBuffer().setLength(0);
    err.getBuffer().setLength(0);
    CommandLine line = Main.commandLine();
    line.setOut(new PrintWriter(out, true)).setErr(new PrintWriter(err, true));
    return Main.execute(line, args);
  }

  private Path file(String name, String text) throws IOException {
    return Files.writeString(folder.resolve(name), text);
  }

  private int calibrate(String text, String... more) throws IOException {
    String[] args = new String[5 + more.length];
    args[0] = "calibrate";
    args[1] = file("results.jsonl", text).toString();
    args[2] = "--out";
    args[3] = folder.resolve("calibration.json").toString();
    args[4] = "--json";
    System.arraycopy(more, 0, args, 5, more.length);
    return execute(args);
  }

  /** Every bad line is named and counts in the exit code; every good one is used. */
  @Test
  void whatIsGoodIsUsed() throws IOException {
    String first = good.getFirst();
    String text =
        String.join("\n", good)
            + "\n"
            + first.replace("\"schema\":1", "\"schema\":7")
            + "\n"
            + first.replaceFirst("\"median\":[0-9.E-]+", "\"median\":NaN")
            + "\n"
            + first.replaceFirst("\"median\":[0-9.E-]+", "\"median\":-0.5")
            + "\n[1,2]\n"
            + first.substring(0, first.length() / 2);
    assertEquals(2, calibrate(text, "--holdout", "tiny"), err.toString());
    assertEquals(5, err.toString().lines().count(), err.toString());
    for (String said : List.of("schema 7", "NaN", "-0.5", "not a JSON object", "cut off")) {
      assertTrue(err.toString().contains(said), said + ": " + err);
    }
    JsonNode c = ResultJson.mapper().readTree(out.toString());
    assertEquals(good.size(), c.get("points").get("fp16").intValue());
    assertTrue(Files.exists(folder.resolve("calibration.json")));
  }

  @Test
  void whatCannotBeFittedIsOneLine() throws IOException {
    String mixed =
        String.join("\n", good)
            + "\n"
            + good.getFirst()
                .replace("\"name\":\"AMD EPYC\"", "\"name\":\"Another\"")
                .replace("\"id\":\"", "\"id\":\"another-");
    refused(mixed, "rows of several devices (AMD EPYC, Another)");
    refused(String.join("\n", good.subList(0, 3)), "too few rows");
    refused("", "no usable rows");
    refused(good.getFirst().replace("\"ceilings\":", "\"other\":"), "no ceilings");
    assertEquals(2, calibrate(String.join("\n", good), "--holdout", "grok-1"));
    assertTrue(err.toString().contains("--holdout grok-1: no row of it"), err.toString());
    assertEquals(2, execute("calibrate", folder.resolve("none.jsonl").toString()));
    assertEquals(1, err.toString().lines().count(), err.toString());
  }

  private void refused(String text, String why) throws IOException {
    assertEquals(2, calibrate(text), why + ": " + err);
    assertTrue(err.toString().contains(why), why + ": " + err);
    assertEquals(1, err.toString().lines().count(), err.toString());
    assertFalse(Files.exists(folder.resolve("calibration.json")), why);
  }

  /**
   * Timed training steps beside the rows become constants that estimates of training use; a line
   * that is cut is named and the others are used.
   */
  @Test
  void trainingStepsCalibrateTheUtilisation() throws IOException {
    StringBuilder steps = new StringBuilder();
    for (int tokens : new int[] {64, 128, 512, 1024}) {
      // 0.5 · n / (n + 128) of 1e11 FLOP/s.
      double flops = 6e6 * tokens;
      double seconds = flops / (1e11 * 0.5 * tokens / (tokens + 128.0));
      steps.append(
          """
          {"schema":1,"experiment":"train","time":"t","environment":{"device":"cpu","name":"AMD EPYC"},          "setting":"s","values":{"peak_flops_per_second":1e11},"points":[{"label":"n%d",          "values":{"flops":%s,"batch":1,"tokens":%d,"seconds":%s}}],"command":"assay train"}
          """
              .formatted(tokens, flops, tokens, seconds));
    }
    file("experiments.jsonl", steps + "{\"schema\":1,\"experiment\":\"trai");
    file("results.jsonl", String.join("\n", good));
    Path calibration = folder.resolve("calibration.json");
    String[] command = {"calibrate", folder.toString(), "--out", calibration.toString()};
    assertEquals(2, execute(command), err.toString());
    assertEquals(1, err.toString().lines().count(), err.toString());
    assertTrue(err.toString().contains("experiments.jsonl line 5"), err.toString());
    assertTrue(out.toString().contains("training: 4 steps in fp32"), out.toString());
    String[] estimate = {
      "estimate",
      "tiny",
      "--train",
      "--json",
      "--precision",
      "fp32",
      "--batch",
      "2",
      "--context",
      "192",
      "--calibration",
      calibration.toString()
    };
    assertEquals(0, execute(estimate), err.toString());
    JsonNode training = ResultJson.mapper().readTree(out.toString()).get("training");
    assertEquals(0.5 * 384 / 512, training.get("utilization").doubleValue(), 1e-3);
    String source = training.get("utilization_source").stringValue();
    assertTrue(source.contains("timed training steps"), source);
  }

  @Test
  void anUnknownGpuIsSaid() {
    assertEquals(2, execute("estimate", "tiny", "--gpu", "No Such Card 9000"));
    assertEquals(1, err.toString().lines().count(), err.toString());
  }

  /**
   * Both predictions stand in the row and in the table; a foreign calibration is marked in both.
   */
  @Test
  void runShowsBothPredictions() throws IOException {
    String stored = Files.readString(SWEEP.resolveSibling("calibration.json"));
    Path calibration =
        file("foreign.json", stored.replace("\"name\" : \"AMD EPYC\"", "\"name\" : \"Another\""));
    Path results = folder.resolve("run");
    String model =
        file(
                "small.json",
                """
                {"model_type":"llama","num_hidden_layers":1,"hidden_size":64,"intermediate_size":96,
                 "num_attention_heads":4,"num_key_value_heads":2,"vocab_size":97,
                 "max_position_embeddings":64,"rms_norm_eps":1e-5,"tie_word_embeddings":false}
                """)
            .toString();
    int code =
        execute(
            "run",
            model,
            "--precision",
            "fp32",
            "--prompt",
            "9",
            "--generate",
            "3",
            "--device",
            "cpu",
            "--calibration",
            calibration.toString(),
            "--out",
            results.toString());
    assertEquals(0, code, err.toString());
    assertTrue(out.toString().contains("calibrated"), out.toString());
    ResultRow row = ResultsReader.read(List.of(results)).rows().getFirst();
    assertTrue(row.estimate().calibration() == null, "the defaults' prediction stays");
    assertTrue(row.calibrated().calibration().startsWith("calibration of "), "" + row.calibrated());
    assertEquals(row.estimate().weightsBytes(), row.calibrated().weightsBytes());
    assertTrue(row.calibrated().prefillSeconds() > 0);
    assertTrue(err.toString().contains("! the calibration is of Another"), err.toString());
    assertTrue(row.warnings().getFirst().contains("another device"), "" + row.warnings());
  }
}
