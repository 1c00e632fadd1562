package assay.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.results.ResultRow;
import assay.results.ResultsReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** Grids, shares of them, and runs that were killed. */
class PlannedRunTest {
  private static final int CELLS = 12;

  @TempDir Path folder;
  private Path plan;
  private String err = "";

  @BeforeEach
  void writePlan() throws IOException {
    Files.writeString(
        folder.resolve("small.json"),
        """
        {"model_type":"llama","num_hidden_layers":1,"hidden_size":64,"intermediate_size":96,
         "num_attention_heads":4,"num_key_value_heads":2,"vocab_size":97,
         "max_position_embeddings":64,"rms_norm_eps":1e-5,"tie_word_embeddings":false}
        """);
    plan =
        Files.writeString(
            folder.resolve("plan.json"),
            """
            {"models":["small.json"],"precisions":["fp32","int8"],
             "workloads":[{"batch":[1,2],"prompt":[5,9,13],"generate":3}],
             "warmup_seconds":0,"measure_seconds":0}
            """);
  }

  private int execute(String... args) {
    StringWriter text = new StringWriter();
    CommandLine line = Main.commandLine();
    line.setOut(new PrintWriter(new StringWriter(), true)).setErr(new PrintWriter(text, true));
    int code = Main.execute(line, args);
    err = text.toString();
    return code;
  }

  private static String cell(ResultRow r) {
    return r.precision() + r.workload().batch() + "," + r.workload().promptTokens();
  }

  private static void assertEachCellOnce(List<ResultRow> rows) {
    Set<String> cells = rows.stream().map(PlannedRunTest::cell).collect(Collectors.toSet());
    assertEquals(CELLS, rows.size(), "rows " + cells);
    assertEquals(CELLS, cells.size(), cells.toString());
    rows.forEach(r -> assertTrue(r.measured() != null && r.estimate() != null, cell(r)));
  }

  @Test
  void sharesTogetherAreThePlanAndReportMergesThem() {
    Path a = folder.resolve("a");
    Path b = folder.resolve("b");
    assertEquals(0, run(a, "--shard", "0/2"), err);
    assertEquals(0, run(b, "--shard", "1/2"), err);
    assertEachCellOnce(ResultsReader.read(List.of(a, b)).rows());
    Path merged = folder.resolve("merged");
    assertEquals(0, execute("report", a.toString(), b.toString(), "--out", merged.toString()), err);
    assertTrue(Files.exists(merged.resolve("report.html")));
  }

  private int run(Path out, String... more) {
    String[] args = new String[5 + more.length];
    args[0] = "run";
    args[1] = "--plan";
    args[2] = plan.toString();
    args[3] = "--out";
    args[4] = out.toString();
    System.arraycopy(more, 0, args, 5, more.length);
    return execute(args);
  }

  @Test
  void whatIsDoneIsNotDoneAgain() throws IOException {
    Path out = folder.resolve("out");
    assertEquals(0, run(out, "--shard", "0/2"), err);
    String before = Files.readString(out.resolve("results.jsonl"));
    assertEquals(0, run(out, "--resume"), err);
    assertTrue(Files.readString(out.resolve("results.jsonl")).startsWith(before));
    assertEachCellOnce(ResultsReader.read(List.of(out)).rows());
    Set<String> ids =
        ResultsReader.read(List.of(out.resolve("predictions.jsonl"))).rows().stream()
            .map(ResultRow::id)
            .collect(Collectors.toSet());
    assertEquals(CELLS, ids.size(), "every row's prediction is kept");
  }

  /** A real SIGKILL while rows are being measured, twice; then the run goes on to its end. */
  @Test
  void aKilledRunGoesOnAndNoRowIsLostOrDoubled() throws Exception {
    Path out = folder.resolve("killed");
    Path file = out.resolve("results.jsonl");
    Set<String> kept = new HashSet<>();
    for (int rows : new int[] {2, 5}) {
      kill(out, rows);
      ResultsReader.read(List.of(file)).rows().forEach(r -> kept.add(r.id()));
      assertTrue(kept.size() >= rows && kept.size() < CELLS, "killed after " + kept.size());
    }
    // As if it had been killed in the middle of a write.
    Files.writeString(file, "{\"schema\":1,\"id\":\"cut", StandardOpenOption.APPEND);
    assertEquals(0, run(out, "--resume"), err);
    ResultsReader.Contents contents = ResultsReader.read(List.of(file));
    assertEquals(List.of(), contents.problems(), "the cut line is gone");
    assertEachCellOnce(contents.rows());
    Set<String> ids = contents.rows().stream().map(ResultRow::id).collect(Collectors.toSet());
    assertTrue(ids.containsAll(kept), "a finished row was lost");
    assertTrue(Files.readString(out.resolve("report.html")).endsWith("</html>\n"));
  }

  /** Runs in a process of its own and kills it when so many rows are on the disk. */
  private void kill(Path out, int rows) throws Exception {
    Process run =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--add-modules",
                "jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                "assay.cli.Main",
                "run",
                "--plan",
                plan.toString(),
                "--out",
                out.toString(),
                "--resume")
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve("console.txt").toFile())
            .start();
    Path file = out.resolve("results.jsonl");
    try {
      long giveUp = System.nanoTime() + 60_000_000_000L;
      while (!(Files.exists(file) && Files.readString(file).lines().count() >= rows)) {
        assertTrue(run.isAlive() && System.nanoTime() < giveUp, () -> "no rows came: " + console());
        Thread.sleep(1);
      }
    } finally {
      run.destroyForcibly().waitFor();
    }
    assertEquals(128 + 9, run.exitValue(), "killed, not ended: " + console());
  }

  private String console() {
    try {
      return Files.readString(folder.resolve("console.txt"));
    } catch (IOException e) {
      return e.toString();
    }
  }

  @Test
  void anotherDevicesFolderIsRefused() throws IOException {
    Path out = folder.resolve("other");
    assertEquals(0, run(out, "--shard", "0/12"), err);
    Path file = out.resolve("results.jsonl");
    String name = ResultsReader.read(List.of(file)).rows().getFirst().environment().name();
    Files.writeString(file, Files.readString(file).replace(name, "Another"));
    assertEquals(2, run(out, "--resume"));
    assertTrue(err.contains("holds rows of Another") && err.lines().count() == 1, err);
  }

  @Test
  void whatDoesNotFitIsLeftOutAndTheRestIsMeasured() throws IOException {
    Files.writeString(
        plan,
        """
        {"models":["small.json","gpt-3-175b"],"precisions":["fp32"],
         "workloads":[{"prompt":5,"generate":2}],"warmup_seconds":0,"measure_seconds":0}
        """);
    Path out = folder.resolve("large");
    assertEquals(3, run(out));
    assertTrue(err.contains("left out: gpt-3-175b"), err);
    assertEquals(1, ResultsReader.read(List.of(out)).rows().size());
  }

  @Test
  void wrongUse() throws IOException {
    String out = folder.resolve("none").toString();
    String p = plan.toString();
    for (String[] args :
        new String[][] {
          {"run", "--plan", p, "tiny", "--out", out},
          {"run", "--plan", p, "--precisions", "fp32", "--out", out},
          {"run", "--plan", p, "--prompt", "3", "--out", out},
          {"run", "--plan", p, "--shard", "2/2", "--out", out},
          {"run", "--shard", "0/2", "--out", out},
          {"run", "--plan", p, "--resume"},
          {"run", "--plan", folder.resolve("no.json").toString(), "--out", out},
          {"run", "--plan", p, "--calibration", "no.json", "--out", out},
        }) {
      assertEquals(2, execute(args), String.join(" ", args) + ": " + err);
      assertEquals(1, err.lines().count(), err);
    }
    assertFalse(Files.exists(folder.resolve("none")), "nothing was begun");
  }
}
