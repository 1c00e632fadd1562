package assay.cli;

import assay.calibrate.Calibration;
import assay.calibrate.CalibrationFile;
import assay.calibrate.Calibrator;
import assay.calibrate.TrainingUtilization;
import assay.estimate.Constant;
import assay.model.UserError;
import assay.results.ExperimentsFile;
import assay.results.ResultJson;
import assay.results.ResultsReader;
import assay.units.Bytes;
import assay.units.Quantity;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code assay calibrate}: the estimator's constants from measured results. */
@Command(
    name = "calibrate",
    mixinStandardHelpOptions = true,
    description = {
      "Fits the estimator's constants to measured results of one device and writes a calibration"
          + " file.",
      "Errors are those on shapes that were left out of the fit. Lines that cannot be used are"
          + " named,",
      "the others are used (exit code 2)."
    },
    footer = {
      "",
      "Example:",
      "  assay calibrate assay-results/* --out calibration.json",
      "  assay estimate tiny --calibration calibration.json"
    })
final class CalibrateCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;

  @Parameters(
      paramLabel = "RESULTS",
      arity = "1..*",
      description =
          "Files results.jsonl, or folders that hold one; timed training steps are taken from"
              + " experiments.jsonl beside it.")
  private List<Path> results = new ArrayList<>();

  @Option(
      names = "--out",
      paramLabel = "FILE",
      defaultValue = "assay-calibration.json",
      description = "Where to write it. Default: assay-calibration.json.")
  private Path out = Path.of("assay-calibration.json");

  @Option(
      names = "--holdout",
      paramLabel = "MODELS",
      split = ",",
      description = "Judge on these models and do not fit them. Default: leave out each in turn.")
  private List<String> holdout = new ArrayList<>();

  @Override
  public Integer call() {
    ResultsReader.Contents contents = ResultsReader.read(rowFiles());
    List<ResultsReader.Problem> problems = new ArrayList<>(contents.problems());
    ExperimentsFile.Contents stored =
        ExperimentsFile.read(results.stream().filter(CalibrateCommand::mayHoldSteps).toList());
    problems.addAll(stored.problems());
    problems.forEach(p -> common.err().println("assay: " + p));
    common.err().flush();
    Calibration rows = Calibrator.calibrate(contents.rows(), new LinkedHashSet<>(holdout));
    String device = rows.device().name();
    Calibration c =
        rows.with(
            TrainingUtilization.fit(
                TrainingUtilization.steps(
                    stored.experiments(), e -> e.environment().name().equals(device))));
    CalibrationFile.write(c, out);
    if (common.json) {
      common
          .out()
          .println(
              ResultJson.mapper()
                  .writerWithDefaultPrettyPrinter()
                  .writeValueAsString(CalibrationFile.stored(c)));
    } else {
      print(common.out(), c);
    }
    common.out().flush();
    return problems.isEmpty() ? ExitCode.DONE : UserError.BAD_INPUT;
  }

  /** All but what holds experiments alone. */
  private List<Path> rowFiles() {
    return results.stream()
        .filter(
            p ->
                Files.isDirectory(p)
                    ? Files.exists(p.resolve("results.jsonl"))
                        || !Files.exists(p.resolve(ExperimentsFile.NAME))
                    : !p.endsWith(ExperimentsFile.NAME))
        .toList();
  }

  private static boolean mayHoldSteps(Path p) {
    return Files.isDirectory(p) || p.endsWith(ExperimentsFile.NAME);
  }

  private void print(PrintWriter to, Calibration c) {
    to.printf("%s, host %s, rows %s%n%n", c.name(), c.host(), c.points());
    TextTable constants =
        new TextTable(1, "constant", "value", "95 % interval", "rows", "was", "unit");
    for (Constant k : c.constants()) {
      Constant.Interval i = k.interval();
      constants.add(
          k.key(),
          Quantity.digits(k.value()),
          i == null ? "" : Quantity.digits(i.low()) + " to " + Quantity.digits(i.high()),
          k.coefficient().label().startsWith("training") ? "" : String.valueOf(rowsBehind(k, c)),
          Quantity.digits(c.replaced().getOrDefault(k.key(), Double.NaN)),
          k.coefficient().unit());
    }
    constants.print(to, "");
    if (!c.open().isEmpty()) {
      to.println("\nNot determined by these rows, defaults kept: " + String.join(", ", c.open()));
    }
    to.println("\nMean absolute error on shapes that were not fitted");
    TextTable errors =
        new TextTable(2, "precision", "phase", "shapes", "rows", "before", "after", "all fitted");
    for (Calibration.HeldOut e : c.errors()) {
      errors.add(
          e.precision(),
          e.component(),
          String.valueOf(e.shapes()),
          String.valueOf(e.rows()),
          percent(e.before()),
          e.after() == null ? "one shape only" : percent(e.after()),
          fitted(c, e));
    }
    errors.print(to, "  ");
    c.memoryErrors().forEach((k, v) -> to.printf("Largest error of %s: %s%n", k, Bytes.format(v)));
    c.notes().forEach(n -> to.println("! " + n));
    to.println("Written to " + out);
  }

  /** The error of the written constants on all rows. */
  private static String fitted(Calibration c, Calibration.HeldOut e) {
    for (Calibration.HeldOut r : c.replayed()) {
      if (r.precision().equals(e.precision()) && r.component().equals(e.component())) {
        return r.after() == null ? "" : percent(r.after());
      }
    }
    return "";
  }

  /** Rows whose times a constant acts on. */
  private static int rowsBehind(Constant k, Calibration c) {
    return k.scope().equals(Constant.ALL)
        ? c.points().values().stream().mapToInt(Integer::intValue).sum()
        : c.points().getOrDefault(k.scope(), 0);
  }

  private static String percent(double share) {
    return String.format(Locale.ROOT, "%.1f %%", share * 100);
  }
}
