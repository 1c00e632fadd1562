package assay.cli;

import assay.model.UserError;
import assay.report.HtmlReport;
import assay.report.MarkdownReport;
import assay.results.ResultsCsv;
import assay.results.ResultsReader;
import java.nio.file.Path;
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
      "Renders stored results, of several runs and hosts too, into report.html, report.csv and"
          + " report.md. Needs no device.",
      "A row that is in several files counts once. Lines that cannot be used are named, the others"
          + " are rendered, and the exit code is then 2."
    },
    footer = {"", "Example:", "  assay report assay-results/* --out fleet"})
final class ReportCommand implements Callable<Integer> {
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

  @Override
  public Integer call() {
    ResultsReader.Contents contents = ResultsReader.read(results);
    contents.problems().forEach(p -> common.err().println("assay: " + p));
    common.err().flush();
    if (contents.rows().isEmpty()) {
      throw new UserError("no usable row in " + results + ": nothing to render");
    }
    Path folder = folder();
    Path html = folder.resolve("report.html");
    ResultsFolder.write(html, HtmlReport.of(contents.rows()));
    ResultsFolder.write(folder.resolve("report.csv"), ResultsCsv.of(contents.rows()));
    ResultsFolder.write(folder.resolve("report.md"), MarkdownReport.of(contents.rows()));
    if (common.json) {
      Map<String, Object> document = new LinkedHashMap<>();
      document.put("rows", contents.rows().size());
      document.put("refused", contents.problems().stream().map(Object::toString).toList());
      document.put("report", html.toString());
      common.printJson(document);
    } else {
      common
          .out()
          .printf(
              "%d rows: %s (report.csv and report.md beside it)%n", contents.rows().size(), html);
      common.out().flush();
    }
    return contents.problems().isEmpty() ? ExitCode.DONE : UserError.BAD_INPUT;
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
