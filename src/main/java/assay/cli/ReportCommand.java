package assay.cli;

import assay.calibrate.Calibration;
import assay.calibrate.CalibrationFile;
import assay.calibrate.Recalibration;
import assay.model.UserError;
import assay.report.CsvTables;
import assay.report.HtmlReport;
import assay.report.LedgerFile;
import assay.report.MarkdownReport;
import assay.report.ReportInput;
import assay.results.ResultsCsv;
import assay.results.ResultsReader;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code assay report}: stored results as a page. */
@Command(
    name = "report",
    mixinStandardHelpOptions = true,
    description = {
      "Renders stored results and comparisons, of several runs and hosts too, into report.html,"
          + " report.md and report.csv. Needs no device.",
      "A row that is in several files counts once. Lines that cannot be used are named, the others"
          + " are rendered, and the exit code is then 2."
    },
    footer = {"", "Example:", "  assay report assay-results/* --calibration host.json --out fleet"})
final class ReportCommand implements Callable<Integer> {
  /** Of a file that is no results at all, this many lines are named. */
  private static final int MOST_PROBLEMS = 20;

  @Mixin private CommonOptions common;

  @Parameters(
      paramLabel = "RESULTS",
      arity = "1..*",
      description = "Files results.jsonl, or folders that hold one.")
  private List<Path> results = new ArrayList<>();

  @Option(
      names = "--out",
      paramLabel = "FOLDER",
      description = "Where to write. Default: the folder of the first results.")
  private @Nullable Path out;

  @Option(names = "--html", description = "Write report.html; all three unless some are chosen.")
  private boolean html;

  @Option(names = "--markdown", description = "Write report.md.")
  private boolean markdown;

  @Option(
      names = "--csv",
      description =
          "Write report.csv, and what else there is: comparisons, claims, verdicts, warnings, the"
              + " calibration's errors and constants.")
  private boolean csv;

  @Option(
      names = "--calibration",
      paramLabel = "FILE",
      description = "Show what it predicts beside the defaults, its constants and its errors.")
  private @Nullable Path calibration;

  @Option(
      names = "--claims",
      paramLabel = "FILE",
      description = "Show the ledger that assay claims --json printed.")
  private @Nullable Path claims;

  @Override
  public Integer call() {
    ResultsReader.Contents contents = ResultsReader.read(results);
    int problems = contents.problems().size();
    contents.problems().stream()
        .limit(MOST_PROBLEMS)
        .forEach(p -> common.err().println("assay: " + p));
    if (problems > MOST_PROBLEMS) {
      common.err().printf("assay: and %d more lines like these%n", problems - MOST_PROBLEMS);
    }
    common.err().flush();
    if (contents.rows().isEmpty() && contents.comparisons().isEmpty()) {
      throw new UserError("no usable row in " + results + ": nothing to render");
    }
    Calibration fitted = calibration == null ? null : CalibrationFile.read(calibration);
    ReportInput input =
        new ReportInput(
            fitted == null ? contents.rows() : Recalibration.of(fitted, contents.rows()),
            contents.comparisons(),
            fitted,
            claims == null ? List.of() : LedgerFile.read(claims),
            made());
    List<Path> written = write(input, folder());
    if (common.json) {
      Map<String, Object> document = new LinkedHashMap<>();
      document.put("rows", contents.rows().size());
      document.put("comparisons", contents.comparisons().size());
      document.put("refused", contents.problems().stream().map(Object::toString).toList());
      document.put("report", written.getFirst().toString());
      document.put("files", written.stream().map(Path::toString).toList());
      common.printJson(document);
    } else {
      int n = contents.rows().size();
      common.out().printf("%d row%s%n", n, n == 1 ? "" : "s");
      written.forEach(f -> common.out().println("  " + f));
      common.out().flush();
    }
    return contents.problems().isEmpty() ? ExitCode.DONE : UserError.BAD_INPUT;
  }

  private List<Path> write(ReportInput input, Path folder) {
    boolean all = !html && !markdown && !csv;
    Map<String, String> files = new LinkedHashMap<>();
    if (all || html) {
      files.put("report.html", HtmlReport.of(input));
    }
    if (all || markdown) {
      files.put("report.md", MarkdownReport.of(input));
    }
    if (all || csv) {
      files.put("report.csv", ResultsCsv.of(input.rows()));
      if (!input.comparisons().isEmpty()) {
        files.put("comparisons.csv", ResultsCsv.ofAny(input.comparisons()));
      }
      if (!input.claims().isEmpty()) {
        files.put("claims.csv", ResultsCsv.ofAny(input.claims()));
      }
      files.putAll(CsvTables.of(input));
    }
    List<Path> written = new ArrayList<>();
    files.forEach(
        (name, text) -> {
          Path file = folder.resolve(name);
          ResultsFolder.write(file, text);
          written.add(file);
        });
    return written;
  }

  /** What wrote a page, and when. */
  static String made() {
    return "Made by %s at %s."
        .formatted(
            new VersionProvider().getVersion()[0], Instant.now().truncatedTo(ChronoUnit.SECONDS));
  }

  private Path folder() {
    if (out != null) {
      try {
        return java.nio.file.Files.createDirectories(out);
      } catch (java.io.IOException e) {
        throw new UserError("cannot make %s: %s; expected a writable folder".formatted(out, e));
      }
    }
    Path first = results.getFirst().toAbsolutePath();
    Path parent = first.getParent();
    return java.nio.file.Files.isDirectory(first) || parent == null ? first : parent;
  }
}
