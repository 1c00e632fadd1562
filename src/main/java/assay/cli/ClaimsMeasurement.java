package assay.cli;

import assay.backend.Backend;
import assay.engine.SessionOptions;
import assay.measure.CeilingMeter;
import assay.measure.InferenceMeter;
import assay.measure.Progress;
import assay.measure.RowFactory;
import assay.measure.StopSignal;
import assay.measure.TimeBudget;
import assay.measure.experiment.Experiments;
import assay.measure.experiment.Outcome;
import assay.model.Precision;
import assay.model.UserError;
import assay.model.WeightSource;
import assay.model.Workload;
import assay.results.Experiment;
import assay.results.ExperimentsFile;
import assay.results.ResultRow;
import assay.results.ResultsWriter;
import assay.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What {@code assay claims --measure} runs: the experiments, and rows of a small shape in every
 * precision.
 */
final class ClaimsMeasurement {
  private static final String SHAPE = "tiny";
  private static final long SEED = 1;
  private static final Workload[] WORKLOADS = {new Workload(1, 64, 17), new Workload(1, 512, 17)};
  private static final TimeBudget TIMES = new TimeBudget(1, 0.7, 5, 100);

  private final CommonOptions common;
  private final List<String> only;
  private final @Nullable Path folder;
  private final @Nullable String tokenizer;
  private final @Nullable Path textFile;
  private final List<Experiment> experiments = new ArrayList<>();
  private final List<ResultRow> rows = new ArrayList<>();

  ClaimsMeasurement(
      CommonOptions common,
      List<String> only,
      @Nullable Path folder,
      @Nullable String tokenizer,
      @Nullable Path textFile) {
    this.common = common;
    this.only = only;
    this.folder = folder;
    this.tokenizer = tokenizer;
    this.textFile = textFile;
  }

  List<Experiment> experiments() {
    return experiments;
  }

  List<ResultRow> rows() {
    return rows;
  }

  /** Runs everything; each result is on the disk as soon as it is there. */
  void measure() {
    Path target = folder == null ? usualFolder() : folder;
    try {
      Files.createDirectories(target);
    } catch (IOException e) {
      throw new UserError("cannot write to " + target + ": " + e);
    }
    try (Backend device = Devices.open(common.device)) {
      RowFactory factory = new RowFactory(device, "assay claims --measure");
      Experiments all = new Experiments();
      if (tokenizer != null && textFile != null) {
        all.add("K1", backend -> charactersPerToken());
      }
      for (String claim : all.all().keySet()) {
        if (only.isEmpty() || only.contains(claim)) {
          say("experiment " + claim);
          Experiment e = all.run(claim, device, factory.environment());
          ExperimentsFile.append(target.resolve(ExperimentsFile.NAME), e);
          experiments.add(e);
        }
      }
      if (only.isEmpty()) {
        measureRows(device, factory, target);
      }
    }
    say("written to " + target);
  }

  private static Path usualFolder() {
    String now =
        DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss")
            .format(LocalDateTime.now(java.time.ZoneId.systemDefault()));
    return Path.of("assay-results", now + "-claims");
  }

  private void measureRows(Backend device, RowFactory factory, Path target) {
    StopSignal stop = () -> Thread.currentThread().isInterrupted();
    InferenceMeter meter =
        new InferenceMeter(
            device,
            Devices::reference,
            new CeilingMeter(device, CeilingMeter.Effort.usual(device)),
            TIMES,
            stop,
            Progress.SILENT);
    try (WeightSource weights = ModelArgument.of(SHAPE).weights(SEED);
        ResultsWriter writer = new ResultsWriter(target.resolve("results.jsonl"))) {
      for (Precision p : Precision.values()) {
        for (Workload w : WORKLOADS) {
          if (device.supports(p)) {
            say("%s %s, %d tokens".formatted(SHAPE, p.label(), w.promptTokens()));
            ResultRow row = row(meter, factory, weights, p, w);
            writer.append(row);
            rows.add(row);
          }
        }
      }
    }
  }

  private static ResultRow row(
      InferenceMeter meter, RowFactory factory, WeightSource weights, Precision p, Workload w) {
    SessionOptions options = InferenceMeter.sessionFor(p, w);
    ResultRow begun = factory.predicted(weights, options, w, null, null, List.of());
    InferenceMeter.Outcome found = meter.measure(weights, options, w, false);
    return begun.withMeasured(
        found.check().passed(),
        found.check(),
        found.measured(),
        found.ceilings(),
        found.utilization(),
        null,
        found.samples(),
        found.warnings());
  }

  /** Claim K1 on the user's own tokenizer and text. */
  private Outcome charactersPerToken() {
    if (tokenizer == null || textFile == null) {
      throw new IllegalStateException("K1 without tokenizer or text");
    }
    byte[] bytes;
    try {
      bytes = Files.readAllBytes(textFile);
    } catch (IOException e) {
      throw new UserError(textFile + ": cannot be read as a text: " + e.getMessage());
    }
    try (Tokenizer t = ModelArgument.tokenizerOf(tokenizer)) {
      int ids = t.encode(bytes, false, false).length;
      if (ids == 0) {
        throw new UserError(textFile + ": no tokens in it");
      }
      String text = new String(bytes, StandardCharsets.UTF_8);
      Map<String, Double> values = new LinkedHashMap<>();
      values.put("tokens", (double) ids);
      values.put("characters_per_token", (double) text.codePointCount(0, text.length()) / ids);
      values.put("utf8_bytes_per_token", (double) bytes.length / ids);
      long han =
          text.codePoints()
              .filter(c -> Character.UnicodeScript.of(c) == Character.UnicodeScript.HAN)
              .count();
      values.put("han_share_of_characters", (double) han / text.codePointCount(0, text.length()));
      return new Outcome(
          "tokenizer of %s on %s".formatted(tokenizer, textFile.getFileName()), values, List.of());
    }
  }

  private void say(String what) {
    if (!common.json) {
      common.err().println(what);
      common.err().flush();
    }
  }
}
