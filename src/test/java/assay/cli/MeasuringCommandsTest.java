package assay.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.Backend;
import assay.backend.cpu.CpuBackend;
import assay.checkpoint.RandomWeights;
import assay.measure.StopSignal;
import assay.measure.TimeBudget;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.Workload;
import assay.results.ResultJson;
import assay.results.ResultRow;
import assay.results.ResultsReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import tools.jackson.databind.JsonNode;

class MeasuringCommandsTest {
  @TempDir Path folder;
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();
  private Path model;

  @BeforeEach
  void writeSmallModel() throws IOException {
    model = Files.createDirectory(folder.resolve("small")).resolve("config.json");
    Files.writeString(
        model,
        """
        {"model_type":"llama","num_hidden_layers":2,"hidden_size":64,"intermediate_size":96,
         "num_attention_heads":4,"num_key_value_heads":2,"vocab_size":97,
         "max_position_embeddings":64,"rms_norm_eps":1e-5,"tie_word_embeddings":false}
        """);
  }

  private int execute(String... args) {
    return execute(Main.commandLine(), args);
  }

  private int execute(CommandLine line, String... args) {
    line.setOut(new PrintWriter(out, true)).setErr(new PrintWriter(err, true));
    return Main.execute(line, args);
  }

  private String oneLineOfError() {
    assertEquals(1, err.toString().lines().count(), err.toString());
    return err.toString();
  }

  @Test
  void runPredictsMeasuresAndWrites() throws IOException {
    Path results = folder.resolve("results");
    int code =
        execute(
            "run",
            model.toString(),
            "--precisions",
            "bf16,int4",
            "--prompt",
            "13",
            "--generate",
            "5",
            "--json",
            "--out",
            results.toString());
    assertEquals(0, code, err.toString());
    JsonNode document = ResultJson.mapper().readTree(out.toString());
    assertEquals(2, document.get("results").size());
    assertEquals(results.resolve("report.html").toString(), document.get("report").asString());

    List<ResultRow> rows = ResultsReader.read(List.of(results)).rows();
    List<ResultRow> predicted =
        ResultsReader.read(List.of(results.resolve("predictions.jsonl"))).rows();
    assertEquals(2, rows.size());
    for (int i = 0; i < 2; i++) {
      ResultRow row = rows.get(i);
      assertNull(predicted.get(i).measured(), "written before anything was measured");
      assertEquals(predicted.get(i).estimate(), row.estimate(), "and not changed afterwards");
      assertEquals(row.estimate().weightsBytes(), row.measured().weightsBytes());
      assertEquals(row.estimate().kvCacheBytes(), row.measured().kvCacheBytes());
      assertEquals(row.estimate().activationsBytes(), row.measured().activationsBytes());
      assertEquals(row.estimate().prefillFlops(), row.measured().prefillFlops());
      assertEquals(row.estimate().decodeFlopsPerToken(), row.measured().decodeFlopsPerToken());
      assertTrue(row.estimate().prefillSeconds() > 0);
      assertTrue(row.check().passed());
      assertTrue(row.valid());
    }
    String page = Files.readString(results.resolve("report.html"));
    assertTrue(page.contains("id=\"roofline-plot\"") && page.contains("int4"));
    // ReportPageIT watches a browser open such a page; here its policy and that it names no
    // address.
    assertTrue(page.contains("default-src 'none'"), "opens with no network");
    assertFalse(page.contains("src=\"http") || page.contains("href=\"http"));
    assertTrue(Files.readString(results.resolve("results.csv")).startsWith("schema,id,"));
    reportMerges(results);
  }

  private void reportMerges(Path results) throws IOException {
    out.getBuffer().setLength(0);
    Path merged = folder.resolve("merged");
    Files.writeString(
        results.resolve("more.jsonl"),
        Files.readString(results.resolve("results.jsonl")) + "{\"schema\":9}\n");
    int code =
        execute(
            "report",
            results.toString(),
            results.resolve("more.jsonl").toString(),
            "--out",
            merged.toString());
    assertEquals(2, code, "one line cannot be used");
    assertTrue(err.toString().contains("more.jsonl line 3: schema 9"), err.toString());
    assertTrue(out.toString().startsWith("2 rows"), out.toString());
    String markdown = Files.readString(merged.resolve("report.md"));
    assertTrue(markdown.contains("\n| 2 | ") && !markdown.contains("\n| 3 | "), markdown);
    assertTrue(Files.exists(merged.resolve("report.html")));
  }

  /** Only what a claim rests on is run, and what was found is kept beside the ledger. */
  @Test
  void claimsMeasureOne() throws IOException {
    Path results = folder.resolve("claims");
    int code =
        execute("claims", "--measure", "--only", "K1,M4", "--json", "--out", results.toString());
    assertEquals(0, code, err.toString());
    JsonNode claims = ResultJson.mapper().readTree(out.toString()).get("claims");
    assertEquals(2, claims.size());
    for (JsonNode c : claims) {
      // The built-in model's tokenizer has no entries for Chinese: that says nothing of K1.
      String verdict = c.get("id").asString().equals("K1") ? "not-measured" : "fails";
      assertEquals(verdict, c.get("verdict").asString(), c.toString());
    }
    assertEquals(2, Files.readAllLines(results.resolve("experiments.jsonl")).size());
    assertFalse(Files.exists(results.resolve("results.jsonl")), "no rows were needed");
  }

  @Test
  void whatCannotBeWrittenIsSaidBeforeMeasuring() throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "");
    assertEquals(2, execute("run", model.toString(), "--out", file.resolve("x").toString()));
    assertTrue(oneLineOfError().contains("cannot make the folder"), err.toString());
  }

  @Test
  void wrongUse() {
    String results = folder.resolve("r").toString();
    for (String[] args :
        new String[][] {
          {"run", model.toString(), "--precision", "fp12", "--out", results},
          {"run", model.toString(), "--precision", "fp8", "--device", "cpu", "--out", results},
          {"run", model.toString(), "--prompt", "0", "--out", results},
          {"run", model.toString(), "--prompt", "60", "--generate", "60", "--out", results},
          {"run", "no-such-model", "--out", results},
          {"run", model.toString(), "--device", "gpu", "--out", results},
          {"run", model.toString(), "--threads", "0", "--out", results},
          {"run", "grok-1", "--out", results},
          {"bench", "--out", results},
          {"report", folder.resolve("nowhere").toString()},
        }) {
      err.getBuffer().setLength(0);
      assertEquals(2, execute(args), String.join(" ", args) + ": " + err);
      assertTrue(oneLineOfError().startsWith("assay: "), err.toString());
    }
    assertEquals("", out.toString().replaceAll("(?m)^(Device|Model|  ).*\\R", ""));
  }

  @Test
  void whatDoesNotFitIsRefusedWithBothNumbers() {
    int code =
        execute(
            "run", "gpt-3-175b", "--precision", "fp32", "--out", folder.resolve("r").toString());
    assertEquals(3, code);
    String line = oneLineOfError();
    assertTrue(line.matches("(?s).*predicted \\d{12,} bytes, free \\d+ bytes.*"), line);
  }

  /** Measures with a device whose rotation does nothing. */
  @Command(name = "broken")
  private final class Broken implements Callable<Integer> {
    @Mixin private CommonOptions common;

    @Override
    public Integer call() {
      ModelConfig c =
          ModelConfig.builder("small", "llama")
              .size(1, 64, 96)
              .heads(4, 2, 16)
              .tokens(97, 64)
              .build();
      try (Backend cpu = new CpuBackend();
          ResultsFolder results = ResultsFolder.open(folder.resolve("broken"), false)) {
        Backend broken =
            (Backend)
                Proxy.newProxyInstance(
                    Backend.class.getClassLoader(),
                    new Class<?>[] {Backend.class},
                    (proxy, method, args) -> {
                      try {
                        return method.getName().equals("rope") ? null : method.invoke(cpu, args);
                      } catch (InvocationTargetException e) {
                        throw e.getCause();
                      }
                    });
        return new Measuring(
                new Measuring.Setting(
                    common,
                    broken,
                    results,
                    StopSignal.NEVER,
                    TimeBudget.SHORT,
                    false,
                    "test",
                    null))
            .measure(
                new RandomWeights(c, 1), List.of(Precision.FP32), List.of(new Workload(1, 9, 2)));
      }
    }
  }

  @Test
  void aFailedCheckIsFiveAndNothingIsTimed() {
    assertEquals(5, execute(Main.commandLine().addSubcommand(new Broken()), "broken"));
    assertTrue(err.toString().contains("differ from the reference"), err.toString());
    ResultRow row = ResultsReader.read(List.of(folder.resolve("broken"))).rows().getFirst();
    assertEquals(false, row.valid());
    assertFalse(row.check().passed());
    assertNull(row.measured());
  }

  /** Ctrl-C after the first row: it is kept whole, with its page, and the shell sees 130. */
  @Test
  void interruptedRunsKeepWhatIsFinished() throws Exception {
    Path results = folder.resolve("interrupted");
    Process run =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--add-modules",
                "jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                "assay.cli.Main",
                "bench",
                model.toString(),
                "--precision",
                "fp32",
                "--prompt",
                "8,9,10,11,12,13,14,15,16,17,18,19,20",
                "--generate",
                "40",
                "--out",
                results.toString())
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve("console.txt").toFile())
            .start();
    try {
      Path rows = results.resolve("results.jsonl");
      long giveUp = System.nanoTime() + 60_000_000_000L;
      while (!(Files.exists(rows) && Files.size(rows) > 0)) {
        assertTrue(run.isAlive() && System.nanoTime() < giveUp, "no row came");
        Thread.sleep(20);
      }
      new ProcessBuilder("kill", "-INT", Long.toString(run.pid())).start().waitFor();
      assertTrue(run.waitFor(30, TimeUnit.SECONDS), "it did not end");
    } finally {
      run.destroyForcibly();
    }
    String console = Files.readString(folder.resolve("console.txt"));
    assertEquals(130, run.exitValue(), console);
    ResultsReader.Contents kept = ResultsReader.read(List.of(results));
    assertEquals(List.of(), kept.problems());
    assertTrue(!kept.rows().isEmpty() && kept.rows().size() < 13, "rows " + kept.rows().size());
    assertTrue(Files.readString(results.resolve("report.html")).endsWith("</html>\n"));
    assertTrue(console.contains("interrupted; "), console);
  }
}
