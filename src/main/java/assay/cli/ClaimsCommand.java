package assay.cli;

import assay.claims.Evidence;
import assay.claims.Finding;
import assay.claims.Ledger;
import assay.claims.Verdict;
import assay.model.UserError;
import assay.results.Experiment;
import assay.results.ExperimentsFile;
import assay.results.ResultJson;
import assay.results.ResultsReader;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code assay claims}: the ledger. */
@Command(
    name = "claims",
    mixinStandardHelpOptions = true,
    description = {
      "Every claim under test: what it predicts, what was computed or measured, the verdict.",
      "Identities are computed on the spot; the rest comes from stored results, or from"
          + " experiments",
      "that --measure runs on this device. Lines of RESULTS that cannot be used are named, the",
      "others are used (exit code 2)."
    },
    footer = {"", "Example:", "  assay claims --measure"})
final class ClaimsCommand implements Callable<Integer> {
  private static final Path USUAL = Path.of("assay-results");

  @Mixin private CommonOptions common;

  @Parameters(
      paramLabel = "RESULTS",
      arity = "0..*",
      description =
          "Folders or files of earlier runs; those under assay-results here unless given.")
  private List<Path> results = new ArrayList<>();

  @Option(names = "--measure", description = "Run the experiments that this device can.")
  private boolean measure;

  @Option(names = "--only", split = ",", paramLabel = "ID", description = "Only these claims.")
  private List<String> only = new ArrayList<>();

  @Option(
      names = "--out",
      paramLabel = "FOLDER",
      description = "Where --measure writes experiments.jsonl; assay-results/<time> unless given.")
  private @Nullable Path out;

  @Option(
      names = "--tokenizer",
      paramLabel = "MODEL",
      description = "For claim K1, with --text-file: whose tokenizer.")
  private @Nullable String tokenizer;

  @Option(names = "--text-file", paramLabel = "FILE", description = "For claim K1: the text.")
  private @Nullable Path textFile;

  @Override
  public Integer call() {
    Ledger ledger = new Ledger();
    for (String id : only) {
      if (ledger.claims().stream().noneMatch(c -> c.id().equals(id))) {
        throw new UserError("no claim '" + id + "': expected one of F1 to D2, see assay claims");
      }
    }
    List<Experiment> experiments = new ArrayList<>();
    List<Path> sources = results.isEmpty() ? earlierRuns() : results;
    ResultsReader.Contents rows = ResultsReader.read(rowFiles(sources));
    ExperimentsFile.Contents stored = ExperimentsFile.read(folders(sources));
    experiments.addAll(stored.experiments());
    rows.problems().forEach(p -> warn(p.toString()));
    stored.problems().forEach(p -> warn(p.toString()));
    List<assay.results.ResultRow> all = new ArrayList<>(rows.rows());
    if (measure) {
      ClaimsMeasurement run = new ClaimsMeasurement(common, only, out, tokenizer, textFile);
      run.measure();
      experiments.addAll(run.experiments());
      all.addAll(run.rows());
    }
    List<Ledger.Entry> entries =
        ledger.examine(new Evidence(all, experiments)).stream()
            .filter(e -> only.isEmpty() || only.contains(e.claim().id()))
            .toList();
    if (common.json) {
      printJson(entries);
    } else {
      printTable(entries);
    }
    // Lines of files that nobody named are only warned of.
    boolean bad = !rows.problems().isEmpty() || !stored.problems().isEmpty();
    return bad && !results.isEmpty() ? UserError.BAD_INPUT : ExitCode.DONE;
  }

  /** Folders of assay-results here, oldest first; none is no error. */
  private static List<Path> earlierRuns() {
    if (!Files.isDirectory(USUAL)) {
      return List.of();
    }
    try (Stream<Path> children = Files.list(USUAL)) {
      return children.filter(Files::isDirectory).sorted().toList();
    } catch (IOException e) {
      throw new UserError(USUAL + ": cannot be read: " + e.getMessage());
    }
  }

  private static List<Path> rowFiles(List<Path> sources) {
    List<Path> out = new ArrayList<>();
    for (Path p : sources) {
      boolean folder = Files.isDirectory(p);
      if (folder ? Files.exists(p.resolve("results.jsonl")) : !isExperiments(p)) {
        out.add(p);
      }
    }
    return out;
  }

  private static List<Path> folders(List<Path> sources) {
    return sources.stream().filter(p -> Files.isDirectory(p) || isExperiments(p)).toList();
  }

  private static boolean isExperiments(Path p) {
    return p.endsWith(ExperimentsFile.NAME);
  }

  private void warn(String line) {
    common.err().println("warning: " + line);
    common.err().flush();
  }

  private void printJson(List<Ledger.Entry> entries) {
    List<Map<String, Object>> out = new ArrayList<>();
    for (Ledger.Entry e : entries) {
      Map<String, Object> one = new LinkedHashMap<>();
      one.put("id", e.claim().id());
      one.put("kind", e.claim().kind());
      one.put("source", e.claim().source());
      one.put("statement", e.claim().statement());
      one.put("formula", e.claim().formula());
      one.put("verdict", e.finding().verdict().label());
      one.put("predicted", e.finding().predicted());
      one.put("measured", e.finding().measured().isEmpty() ? null : e.finding().measured());
      one.put("why", e.finding().why());
      one.put("command", e.finding().command());
      out.add(one);
    }
    common.out().println(ResultJson.mapper().writeValueAsString(Map.of("claims", out)));
    common.out().flush();
  }

  private void printTable(List<Ledger.Entry> entries) {
    PrintWriter w = common.out();
    Map<String, Integer> counts = new LinkedHashMap<>();
    for (Ledger.Entry e : entries) {
      Finding f = e.finding();
      counts.merge(f.verdict().label(), 1, Integer::sum);
      w.printf("%-4s %-12s %s%n", e.claim().id(), words(f.verdict()), e.claim().statement());
      w.printf("     %s%n", f.why());
      w.printf("     formula %s%n", e.claim().formula());
      if (!f.predicted().isEmpty()) {
        w.printf("     claimed %s%n", brief(f.predicted()));
      }
      if (!f.measured().isEmpty()) {
        w.printf("     found   %s%n", brief(f.measured()));
      }
      w.printf("     %s, %s; repeat: %s%n%n", e.claim().source(), e.claim().kind(), f.command());
    }
    w.println(counts);
    w.flush();
  }

  /** In a table; in JSON the contract's word stands. */
  private static String words(Verdict v) {
    return v == Verdict.WITHIN ? "holds within" : v.label();
  }

  /** The first few numbers, short. */
  private static String brief(Map<String, Object> values) {
    StringBuilder s = new StringBuilder();
    int n = 0;
    for (Map.Entry<String, Object> e : values.entrySet()) {
      if (n++ == 6) {
        s.append(" … (").append(values.size()).append(" in all: --json)");
        break;
      }
      s.append(n == 1 ? "" : ", ").append(e.getKey()).append(' ');
      s.append(
          e.getValue() instanceof Number v
              ? number(v.doubleValue())
              : e.getValue() instanceof double[] a
                  ? java.util.Arrays.toString(a)
                  : String.valueOf(e.getValue()));
    }
    return s.toString();
  }

  private static String number(double v) {
    return v == Math.rint(v) && Math.abs(v) < 1e15
        ? String.format(java.util.Locale.ROOT, "%,d", (long) v)
        : String.format(java.util.Locale.ROOT, "%.4g", v);
  }
}
