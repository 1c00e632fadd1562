package assay.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.calibrate.Calibration;
import assay.calibrate.CalibrationFile;
import assay.estimate.Coefficient;
import assay.estimate.Constant;
import assay.estimate.Device;
import assay.estimate.DeviceKind;
import assay.estimate.Rate;
import assay.model.Precision;
import assay.results.Comparison;
import assay.results.ResultJson;
import assay.results.ResultRow;
import assay.results.ResultsReader;
import assay.results.Rows;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ReportCommandTest {
  /** Rows of two models on one machine. */
  private static final Path STORED = Path.of("results", "cpu-amd-epyc-zen4");

  @TempDir private Path folder;
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  private int run(Object... args) {
    out.getBuffer().setLength(0);
    err.getBuffer().setLength(0);
    return Main.execute(
        Main.commandLine().setOut(new PrintWriter(out, true)).setErr(new PrintWriter(err, true)),
        java.util.Arrays.stream(args).map(Object::toString).toArray(String[]::new));
  }

  private List<String> written() throws IOException {
    try (var files = Files.list(folder)) {
      return files
          .map(f -> f.getFileName().toString())
          .filter(f -> f.contains("."))
          .sorted()
          .toList();
    }
  }

  @Test
  void aCalibrationStandsBesideTheDefaults() throws IOException {
    Path rows = STORED.resolve("run-tiny.jsonl");
    Path more = STORED.resolve("bench-tinyllama-1.1b.jsonl");
    Path fitted = folder.resolve("fitted");
    CalibrationFile.write(calibration(), fitted);
    assertEquals(
        0, run("report", rows, more, "--calibration", fitted, "--out", folder), err.toString());
    assertEquals(
        List.of(
            "calibration-constants.csv",
            "calibration-errors.csv",
            "report.csv",
            "report.html",
            "report.md",
            "verdicts.csv",
            "warnings.csv"),
        written());
    String errors = Files.readString(folder.resolve("calibration-errors.csv"));
    assertTrue(errors.contains("fp32,prefill,2,5,0.2,0.04"), errors);
    String csv = Files.readString(folder.resolve("report.csv"));
    assertTrue(csv.lines().findFirst().orElse("").contains("calibrated.prefill_seconds"), csv);
    String markdown = Files.readString(folder.resolve("report.md"));
    assertTrue(markdown.contains("| calibrated |"), markdown);
    assertTrue(markdown.contains("## Calibration"), markdown);
    assertTrue(markdown.contains("calibrated; with default constants"), markdown);
    assertTrue(Files.readString(folder.resolve("report.html")).contains("id=\"calibration-plot\""));
    // What was predicted when it was measured stays.
    ResultRow first = ResultsReader.read(List.of(rows)).rows().getFirst();
    assertTrue(csv.contains(first.estimate().prefillSeconds().toString()), csv);
  }

  /** Made up, but for the name of the device. */
  private static Calibration calibration() {
    Map<Precision, Rate> peaks = new EnumMap<>(Precision.class);
    for (Precision p : Precision.values()) {
      peaks.put(p, new Rate(3e11, "made up", false));
    }
    return new Calibration(
        "made up",
        "vm",
        null,
        "2026-11-22",
        "0.1.0",
        new Device(
            "AMD EPYC",
            DeviceKind.CPU,
            "",
            24_000_000_000L,
            new Rate(3.3e10, "made up", false),
            null,
            peaks,
            null,
            List.of()),
        List.of(
            new Constant(
                Coefficient.MATMUL_EFFICIENCY,
                Constant.ALL,
                0.9,
                Constant.Origin.CALIBRATED,
                "made up",
                new Constant.Interval(0.8, 0.95, 0.95))),
        Map.of("matmul_efficiency", 0.75),
        List.of("launch_seconds"),
        Map.of("fp32", 5),
        List.of(new Calibration.HeldOut("fp32", "prefill", 2, 5, 0.2, 0.04)),
        List.of(),
        Map.of(),
        List.of());
  }

  @Test
  void comparisonsAndTheLedgerAreInItToo() throws IOException {
    Path lines = folder.resolve("lines");
    Comparison c = Rows.comparison("m", "int8", 1e-3, 1000);
    String line = ResultJson.mapper().writeValueAsString(c);
    Files.writeString(
        lines,
        ResultJson.line(Rows.full("a")) + "\n" + line + "\n" + line + "\n" + line.substring(9));
    Path ledger = folder.resolve("ledger");
    Files.writeString(
        ledger,
        """
        {"claims":[{"id":"M1","kind":"estimate","verdict":"within","statement":"2N bytes",
          "predicted":{"bytes":28000000000},"measured":{"ratio":1.00001},"why":"0.1 %","command":"assay claims"}]}
        """);
    assertEquals(2, run("report", lines, "--claims", ledger, "--out", folder));
    assertTrue(err.toString().contains("lines line 4"), err.toString());
    assertEquals(
        List.of(
            "claims.csv",
            "comparisons.csv",
            "report.csv",
            "report.html",
            "report.md",
            "verdicts.csv",
            "warnings.csv"),
        written());
    String markdown = Files.readString(folder.resolve("report.md"));
    assertTrue(markdown.contains("bytes 28 G"), markdown);
    assertEquals(2, Files.readString(folder.resolve("comparisons.csv")).lines().count());
  }

  @Test
  void whatIsAskedForAloneIsWritten() throws IOException {
    Path rows = STORED.resolve("run-tiny.jsonl");
    assertEquals(0, run("report", rows, "--out", folder, "--markdown", "--json"), err.toString());
    assertEquals(List.of("report.md"), written());
    assertEquals(
        folder.resolve("report.md").toString(),
        ResultJson.mapper().readTree(out.toString()).at("/report").asString());
  }

  /** What is damaged is named line by line, but not without end; what is whole is rendered. */
  @Test
  void damagedLinesAreNamedAndTheOthersUsed() throws IOException {
    Path lines = folder.resolve("lines");
    String whole = ResultJson.line(Rows.full("a"));
    Files.writeString(
        lines,
        String.join(
            "\n",
            whole.replace("\"median\":0.021", "\"median\":-0.021"),
            whole.replace("\"median\":0.021", "\"median\":NaN"),
            whole.replace("\"schema\":1", "\"schema\":7"),
            whole,
            whole.substring(0, 400)));
    assertEquals(2, run("report", lines, "--out", folder, "--markdown"));
    List<String> said = err.toString().lines().toList();
    assertEquals(4, said.size(), said.toString());
    assertTrue(
        said.getFirst().contains("line 1") && said.getFirst().contains("positive"), "" + said);
    assertTrue(said.get(2).contains("line 3: schema 7"), said.get(2));
    assertTrue(said.get(3).contains("line 5: cut off"), said.get(3));
    assertTrue(out.toString().startsWith("1 row\n"), out.toString());
    Files.writeString(lines, whole + "\n" + "no\n".repeat(1000));
    assertEquals(2, run("report", lines, "--out", folder, "--markdown"));
    assertEquals(21, err.toString().lines().count());
    assertTrue(err.toString().contains("and 980 more lines"), err.toString());
  }

  @Test
  void badFilesAreOneLine() throws IOException {
    Path rows = STORED.resolve("run-tiny.jsonl");
    Path no = folder.resolve("no");
    Files.writeString(no, "{\"claims\":[]}");
    for (String option : List.of("--claims", "--calibration")) {
      assertEquals(2, run("report", rows, option, no, "--out", folder), option);
      assertEquals(1, err.toString().lines().count(), err.toString());
      assertEquals(2, run("report", rows, option, folder.resolve("none"), "--out", folder));
      assertTrue(err.toString().contains("no such file"), err.toString());
    }
    assertFalse(Files.exists(folder.resolve("report.html")));
  }
}
