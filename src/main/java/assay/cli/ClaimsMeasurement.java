package assay.cli;

import assay.backend.Backend;
import assay.backend.TrainingOps;
import assay.checkpoint.BuiltinModel;
import assay.engine.SessionOptions;
import assay.measure.CeilingMeter;
import assay.measure.InferenceMeter;
import assay.measure.Progress;
import assay.measure.RowFactory;
import assay.measure.StopSignal;
import assay.measure.TimeBudget;
import assay.measure.experiment.CheckpointExperiments;
import assay.measure.experiment.Experiments;
import assay.measure.experiment.TokenExperiments;
import assay.measure.experiment.TrainingExperiments;
import assay.measure.experiment.TrainingKinds;
import assay.model.Precision;
import assay.model.UserError;
import assay.model.WeightSource;
import assay.model.Workload;
import assay.results.Environment;
import assay.results.Experiment;
import assay.results.ExperimentsFile;
import assay.results.ResultRow;
import assay.results.ResultsWriter;
import assay.tensor.Tensor;
import assay.tokenizer.Tokenizer;
import assay.train.stories.StoryGenerator;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What {@code assay claims --measure} runs: the experiments, and rows of a small shape in every
 * precision.
 */
final class ClaimsMeasurement {
  private static final String SHAPE = "tiny";
  private static final long SEED = 1;
  private static final String COMMAND = "assay claims --measure";

  /** Claims that rest on measured rows. */
  private static final Set<String> ON_ROWS = Set.of("F4", "M1", "M2", "M3", "C1", "C5");

  /** Stories of another seed than those that the model was trained on. */
  private static final long STORIES_SEED = 20_260_131;

  private static final int STORIES = 24;
  private static final Workload[] WORKLOADS = {new Workload(1, 64, 17), new Workload(1, 512, 17)};
  private static final TimeBudget TIMES = new TimeBudget(1, 0.7, 5, 100, 0);

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
    try (Backend device = Devices.openToMeasure(common);
        Tokenizer builtin = ModelArgument.tokenizerOf(BuiltinModel.NAME);
        Tokenizer asked = tokenizer == null ? null : ModelArgument.tokenizerOf(tokenizer);
        WeightSource stories = ModelArgument.of(BuiltinModel.NAME).weights(SEED)) {
      RowFactory factory = new RowFactory(device, COMMAND);
      CeilingMeter ceilings = new CeilingMeter(device, CeilingMeter.Effort.usual(device));
      Experiments all = new Experiments();
      addTraining(all, device, ceilings);
      addCheckpoint(all, stories, builtin, factory.environment());
      addTokens(all, asked == null ? builtin : asked);
      for (String id : all.all().keySet()) {
        if (isAsked(Experiments.claims(id))) {
          say("experiment " + id);
          Experiment e = all.run(id, device, factory.environment());
          ExperimentsFile.append(target.resolve(ExperimentsFile.NAME), e);
          experiments.add(e);
        }
      }
      if (isAsked(ON_ROWS)) {
        measureRows(device, ceilings, factory, target);
      }
    }
    say("written to " + target);
  }

  private boolean isAsked(Set<String> claims) {
    return only.isEmpty() || only.stream().anyMatch(claims::contains);
  }

  private static void addTraining(Experiments all, Backend device, CeilingMeter ceilings) {
    Supplier<? extends TrainingOps<Tensor>> ops = Devices.training(device);
    if (ops != null) {
      all.add(
          TrainingExperiments.STEPS,
          TrainingExperiments.steps(
              ops,
              () -> {
                Double peak = ceilings.of(Precision.FP32).gemmFlopsPerSecond();
                return peak == null ? Double.NaN : peak;
              }));
      all.add(TrainingKinds.ID, TrainingKinds.steps(ops));
      all.add("M4", TrainingExperiments.againstInference(ops));
    }
  }

  private static void addCheckpoint(
      Experiments all, WeightSource weights, Tokenizer tokenizer, Environment environment) {
    StoryGenerator generator = new StoryGenerator(STORIES_SEED);
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < STORIES; i++) {
      text.append(generator.story(i)).append('\n');
    }
    CheckpointExperiments e =
        new CheckpointExperiments(
            weights,
            tokenizer.encode(text.toString()),
            "the built-in model on %d stories that it was not trained on".formatted(STORIES),
            environment);
    all.add("I9", e::pruning);
    all.add("I10", e::layerwise);
  }

  private void addTokens(Experiments all, Tokenizer tokenizerOfK1) {
    byte[] text;
    try {
      text = textFile == null ? TokenExperiments.chineseSample() : Files.readAllBytes(textFile);
    } catch (IOException e) {
      throw new UserError(textFile + ": cannot be read as a text: " + e.getMessage());
    }
    String words =
        "tokenizer of %s on %s"
            .formatted(
                tokenizer == null ? "the built-in model (English stories)" : tokenizer,
                textFile == null ? "a Chinese story of 400 characters" : textFile.getFileName());
    all.add("K1", TokenExperiments.charactersPerToken(tokenizerOfK1, text, words));
  }

  private static Path usualFolder() {
    String now =
        DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss")
            .format(LocalDateTime.now(java.time.ZoneId.systemDefault()));
    return Path.of("assay-results", now + "-claims");
  }

  private void measureRows(Backend device, CeilingMeter ceilings, RowFactory factory, Path target) {
    StopSignal stop = () -> Thread.currentThread().isInterrupted();
    InferenceMeter meter =
        new InferenceMeter(device, Devices::reference, ceilings, TIMES, stop, Progress.SILENT);
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

  private void say(String what) {
    if (!common.json) {
      common.err().println(what);
      common.err().flush();
    }
  }
}
