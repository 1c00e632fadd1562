package assay.cli;

import assay.backend.Backend;
import assay.backend.cpu.training.WideningTrainingOps;
import assay.checkpoint.GgufExport;
import assay.checkpoint.GgufMetadata;
import assay.estimate.training.TrainingFlops;
import assay.measure.CeilingMeter;
import assay.measure.Environments;
import assay.measure.TrainPrediction;
import assay.measure.experiment.TrainingPoint;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.UserError;
import assay.results.Environment;
import assay.results.ExperimentsFile;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import assay.tokenizer.BpeVocabulary;
import assay.train.FlopCount;
import assay.train.TokenWindows;
import assay.train.TrainedWeights;
import assay.train.Trainer;
import assay.train.TrainerSettings;
import assay.train.TrainingCheckpoint;
import assay.train.TrainingOptions;
import assay.train.TrainingStep;
import assay.train.stories.StoryGenerator;
import assay.units.Bytes;
import assay.units.Quantity;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code assay train}: training steps on a text. */
@Command(
    name = "train",
    mixinStandardHelpOptions = true,
    description =
        "Trains a model of the llama family from random weights on a text (CPU), with memory by"
            + " category and FLOP/s.",
    footer = {
      "",
      "Example:",
      "  assay train config.json --text-file book.txt --steps 200 --out book.gguf"
    })
final class TrainCommand implements Runnable {
  private static final int STEPS_PER_CHECKPOINT = 100;
  private static final int STEPS_PER_LINE = 10;
  private static final int VALIDATION_BATCHES = 8;

  @Mixin private CommonOptions common;

  @Parameters(
      paramLabel = "MODEL",
      description = "A preset or a config.json: the shape. The vocabulary is learned too.")
  private String model = "";

  @Option(names = "--text-file", paramLabel = "FILE", description = "The text, UTF-8.")
  private @Nullable Path textFile;

  @Option(
      names = "--stories",
      paramLabel = "N",
      description = "Instead of a file: N little stories that Assay writes itself.")
  private int stories;

  @Option(
      names = "--random-tokens",
      description = "Instead of a text: tokens drawn evenly, to measure steps of any shape.")
  private boolean randomTokens;

  @Option(
      names = "--results",
      paramLabel = "FOLDER",
      description =
          "Appends the measured step to FOLDER/experiments.jsonl, which calibrate reads; measures"
              + " the device's peak first.")
  private @Nullable Path results;

  @Option(names = "--steps", defaultValue = "20", description = "Updates (${DEFAULT-VALUE}).")
  private int steps;

  @Option(names = "--batch", defaultValue = "4", description = "Sequences (${DEFAULT-VALUE}).")
  private int batch;

  @Option(
      names = "--context",
      paramLabel = "TOKENS",
      defaultValue = "128",
      description = "Tokens per sequence (${DEFAULT-VALUE}).")
  private int context;

  @Option(
      names = "--lr",
      paramLabel = "RATE",
      defaultValue = "2e-3",
      description = "Highest learning rate (${DEFAULT-VALUE}).")
  private double learningRate;

  @Mixin private StepOptions kind;

  @Option(names = "--seed", defaultValue = "1", description = "Of everything (${DEFAULT-VALUE}).")
  private long seed;

  @Option(names = "--threads", description = "Threads; all processors if not given.")
  private int threads = Runtime.getRuntime().availableProcessors();

  @Option(
      names = "--checkpoint",
      paramLabel = "FILE",
      description = "Keeps the state here every 100 steps, and goes on from there if it exists.")
  private @Nullable Path checkpoint;

  @Option(
      names = "--log",
      paramLabel = "FILE",
      description = "Appends step, loss, learning rate, gradient norm and seconds as CSV.")
  private @Nullable Path log;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      description = "Writes the trained model with its vocabulary here, GGUF with F16 matrices.")
  private @Nullable Path out;

  private double firstLoss = Double.NaN;
  private double lastLoss = Double.NaN;
  private double validationLoss = Double.NaN;
  private final List<Double> seconds = new ArrayList<>();
  private @Nullable FlopCount flopsPerStep;

  @Override
  public void run() {
    if (!common.device.equals("auto") && !common.device.equals("cpu")) {
      throw new UserError("--device " + common.device + ": training runs on the CPU only so far");
    }
    if (threads < 1 || threads > 4 * Runtime.getRuntime().availableProcessors()) {
      throw new UserError("--threads " + threads + ": expected 1 to 4 per processor");
    }
    ModelConfig config = ModelArgument.of(model).config();
    if (out != null && kind.adapters()) {
      throw new UserError("--out with --lora: the frozen weights are random; expected one of them");
    }
    if (out != null && randomTokens) {
      throw new UserError("--out with --random-tokens: there is no vocabulary to write");
    }
    Host host = results == null ? null : host();
    TrainingOptions options = kind.step(batch, context);
    TrainPrediction predicted = TrainPrediction.of(config, options);
    TrainingText text = text(config);
    TokenWindows examples = new TokenWindows(text.tokens(), text.starts(), context, seed);
    TokenWindows others = new TokenWindows(text.otherTokens(), text.otherStarts(), context, seed);
    WideningTrainingOps ops = new WideningTrainingOps(threads);
    try (TrainingStep<Tensor> step = TrainingStep.open(ops, config, options)) {
      Trainer trainer = new Trainer(step, examples, TrainerSettings.of(steps, learningRate, seed));
      if (checkpoint != null && Files.exists(checkpoint)) {
        trainer.resume(TrainingCheckpoint.read(checkpoint, step));
        common.err().printf("goes on after step %d%n", trainer.done());
      }
      train(step, trainer, others);
      report(step, predicted, text);
      store(step, host);
      write(step, text);
    }
    common.out().flush();
  }

  private void train(TrainingStep<Tensor> step, Trainer trainer, TokenWindows others) {
    while (!trainer.isFinished()) {
      trainer.run(STEPS_PER_CHECKPOINT - trainer.done() % STEPS_PER_CHECKPOINT, p -> note(step, p));
      if (checkpoint != null) {
        TrainingCheckpoint.write(checkpoint, step, trainer.done());
      }
      validationLoss = trainer.validate(others, VALIDATION_BATCHES);
      step.resetFlops();
      common.err().printf("step %d: validation loss %.4f%n", trainer.done(), validationLoss);
      common.err().flush();
    }
  }

  private TrainingText text(ModelConfig config) {
    if (randomTokens) {
      int count = Math.addExact(Math.multiplyExact(4 * batch, context), 1);
      return TrainingText.random(count, seed, config.vocabSize());
    }
    if (stories > 0) {
      return TrainingText.stories(stories, seed, config.vocabSize());
    }
    if (textFile == null) {
      throw new UserError(
          "nothing to train on: expected --text-file, --stories or --random-tokens");
    }
    try {
      return TrainingText.of(
          Files.readString(textFile, StandardCharsets.UTF_8), config.vocabSize());
    } catch (IOException e) {
      throw new UserError(textFile + ": cannot be read as UTF-8 text: " + e.getMessage());
    }
  }

  private void note(TrainingStep<?> step, Trainer.Progress p) {
    FlopCount flops = step.flops();
    step.resetFlops();
    flopsPerStep = flops;
    double s = p.ns() / 1e9;
    seconds.add(s);
    lastLoss = p.loss();
    if (Double.isNaN(firstLoss)) {
      firstLoss = p.loss();
    }
    if (p.step() % STEPS_PER_LINE == 0 || p.step() == 1) {
      common
          .err()
          .printf(
              "step %d: loss %.4f, %.0f tokens/s, %.1f GFLOP/s, gradient norm %.2f%n",
              p.step(),
              p.loss(),
              step.options().rows() / s,
              flops.total() / s / 1e9,
              p.gradientNorm());
      common.err().flush();
    }
    if (log != null) {
      append(
          log,
          "%d,%.5f,%.6f,%.4f,%.4f%n"
              .formatted(p.step(), p.loss(), p.learningRate(), p.gradientNorm(), s));
    }
  }

  /** The machine, and what a large fp32 product reaches on it. */
  private record Host(Environment environment, double peakFlopsPerSecond) {}

  private Host host() {
    try (Backend device = Devices.cpu(threads)) {
      CeilingMeter meter = new CeilingMeter(device, CeilingMeter.Effort.usual(device));
      Double peak = meter.of(Precision.FP32).gemmFlopsPerSecond();
      return new Host(Environments.describe(device), peak == null ? Double.NaN : peak);
    }
  }

  private void store(TrainingStep<?> step, @Nullable Host host) {
    FlopCount flops = flopsPerStep;
    if (results == null || host == null || flops == null) {
      return;
    }
    try {
      Files.createDirectories(results);
    } catch (IOException e) {
      throw new UserError(results + ": cannot be made: " + e.getMessage());
    }
    ExperimentsFile.append(
        results.resolve(ExperimentsFile.NAME),
        TrainingPoint.single(step, flops, median(), host.peakFlopsPerSecond, host.environment));
  }

  private static void append(Path file, String line) {
    try {
      Files.writeString(file, line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    } catch (IOException e) {
      throw new UserError(file + ": cannot be written: " + e.getMessage());
    }
  }

  private void report(TrainingStep<?> step, TrainPrediction predicted, TrainingText text) {
    double median = median();
    FlopCount counted =
        flopsPerStep == null ? TrainingStep.planFlops(step.config(), step.options()) : flopsPerStep;
    if (common.json) {
      common.printJson(json(step, predicted, counted, median));
      return;
    }
    common
        .out()
        .printf(
            "%s: %s parameters, %s trained, %d tokens %s; %s%n",
            step.config().name(),
            Quantity.count(step.config().parameters()),
            Quantity.count(TrainingFlops.trainedParameters(predicted.request())),
            text.tokens().length,
            text.vocabulary() == null
                ? "drawn evenly"
                : "of text, %.2f characters each"
                    .formatted((double) text.characters() / text.tokens().length),
            step.description());
    TextTable t = new TextTable(1, "bytes", "predicted", "allocated", "");
    for (MemoryCategory c : step.ledger().bytes().keySet()) {
      long bytes = step.ledger().bytes(c);
      t.add(
          c.name().toLowerCase(Locale.ROOT),
          predicted.bytes().containsKey(c) ? Quantity.count(predicted.bytes().get(c)) : "-",
          Quantity.count(bytes),
          Bytes.format(bytes));
    }
    t.print(common.out(), "  ");
    common
        .out()
        .printf(
            "FLOPs of a step: %s predicted, %s counted%n",
            Quantity.count(predicted.flops().total()), Quantity.count(counted.total()));
    if (!seconds.isEmpty()) {
      common
          .out()
          .printf(
              "loss %.4f to %.4f, validation %.4f; median step %.3f s: %.0f tokens/s, %s%n",
              firstLoss,
              lastLoss,
              validationLoss,
              median,
              step.options().rows() / median,
              Quantity.format(counted.total() / median, "FLOP/s"));
    }
  }

  private Map<String, Object> json(
      TrainingStep<?> step, TrainPrediction predicted, FlopCount counted, double median) {
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("model", step.config().name());
    out.put("parameters", step.config().parameters());
    out.put("batch", batch);
    out.put("tokens", context);
    out.put("trained_parameters", TrainingFlops.trainedParameters(predicted.request()));
    out.put("estimate", bytes(predicted.bytes(), predicted.flops().total()));
    Map<String, Object> measured = bytes(step.ledger().bytes(), counted.total());
    measured.put("total_bytes", step.ledger().totalBytes());
    out.put("measured", measured);
    if (!seconds.isEmpty()) {
      out.put(
          "step_seconds",
          Map.of(
              "median",
              median,
              "min",
              seconds.stream().mapToDouble(x -> x).min().orElseThrow(),
              "max",
              seconds.stream().mapToDouble(x -> x).max().orElseThrow(),
              "runs",
              seconds.size()));
      out.put("tokens_per_second", step.options().rows() / median);
      out.put("flops_per_second", counted.total() / median);
      out.put("first_loss", firstLoss);
      out.put("last_loss", lastLoss);
      out.put("validation_loss", validationLoss);
    }
    return out;
  }

  private static Map<String, Object> bytes(Map<MemoryCategory, Long> bytes, long flops) {
    Map<String, Object> out = new LinkedHashMap<>();
    bytes.forEach((c, b) -> out.put(c.name().toLowerCase(Locale.ROOT) + "_bytes", b));
    out.put("step_flops", flops);
    return out;
  }

  private double median() {
    List<Double> sorted = seconds.stream().sorted().toList();
    return sorted.isEmpty() ? Double.NaN : sorted.get(sorted.size() / 2);
  }

  private void write(TrainingStep<?> step, TrainingText text) {
    if (out == null) {
      return;
    }
    try (TrainedWeights weights = new TrainedWeights(step)) {
      BpeVocabulary vocabulary = text.vocabulary();
      if (vocabulary == null) {
        throw new IllegalStateException("no vocabulary");
      }
      GgufExport export = new GgufExport(weights, DType.F16);
      GgufMetadata metadata = export.metadata();
      vocabulary.addTo(metadata, StoryGenerator.END_OF_TEXT);
      export.write(out, metadata, done -> {});
      export.remarks().forEach(r -> common.err().println(r));
    }
    common.err().printf("wrote %s%n", out);
  }
}
