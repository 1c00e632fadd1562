package assay.cli;

import assay.checkpoint.BuiltinModel;
import assay.measure.TimeBudget;
import assay.model.UserError;
import assay.model.WeightSource;
import assay.model.Workload;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code assay run}: the main job. */
@Command(
    name = "run",
    mixinStandardHelpOptions = true,
    description = {
      "Predicts, runs, measures and compares a model in every precision that the device has.",
      "Prints the comparison and writes predictions.jsonl (before anything is measured),"
          + " results.jsonl, results.csv and report.html."
    },
    footer = {
      "",
      "Examples:",
      "  assay run",
      "  assay run qwen2.5-0.5b --precisions bf16,int4 --prompt 512 --generate 64",
      "  assay run --plan grid.json --shard 0/4 --out shard-0 --resume"
    })
final class RunCommand implements Callable<Integer> {
  private static final String USUAL_MODEL = BuiltinModel.NAME;
  private static final String USUAL_BATCH = "1";
  private static final String USUAL_PROMPT = "128";
  private static final String USUAL_GENERATE = "64";

  @Mixin private CommonOptions common;

  @Mixin private MeasureOptions options;

  @Mixin private AdapterOption adapter;

  @Parameters(
      paramLabel = "MODEL",
      arity = "0..1",
      description = ModelArgument.HELP + " Default: " + USUAL_MODEL + ".")
  private @Nullable String model;

  @Option(
      names = "--batch",
      paramLabel = "N",
      description = "Sequences. Default: " + USUAL_BATCH + ".")
  private @Nullable String batch;

  @Option(
      names = "--prompt",
      paramLabel = "N",
      description = "Tokens per prompt. Default: " + USUAL_PROMPT + ".")
  private @Nullable String prompt;

  @Option(
      names = "--generate",
      paramLabel = "N",
      description =
          "Tokens generated per sequence: the first comes from the prefill, each other one from a"
              + " decode pass. Default: "
              + USUAL_GENERATE
              + ".")
  private @Nullable String generate;

  @Option(
      names = "--plan",
      paramLabel = "FILE",
      description =
          "Instead of one model: a grid of models, precisions and workloads as JSON"
              + " (docs/fleet.md). What does not fit is left out and named.")
  private @Nullable Path plan;

  @Option(
      names = "--shard",
      paramLabel = "I/N",
      description = "Of the plan's rows only every N-th, from the I-th on; I counts from 0.")
  private @Nullable String shard;

  @Option(
      names = "--resume",
      description = "Go on in --out: rows that are there are kept and not measured again.")
  private boolean resume;

  @Override
  public Integer call() {
    if (resume && options.out == null) {
      throw new UserError("--resume without --out: expected the folder of the run to go on with");
    }
    return plan == null ? runOne() : runPlan(plan);
  }

  private int runOne() {
    if (shard != null) {
      throw new UserError("--shard without --plan: expected a plan to take a share of");
    }
    String name = model == null ? USUAL_MODEL : model;
    Workload workload =
        new Workload(
            one("--batch", batch, USUAL_BATCH),
            one("--prompt", prompt, USUAL_PROMPT),
            one("--generate", generate, USUAL_GENERATE));
    ModelArgument argument = ModelArgument.of(name);
    options.precisions(); // a misspelt one is said before anything is opened
    options.calibration();
    try (ResultsFolder folder = ResultsFolder.open(options.out, resume);
        Devices.Chosen device = Devices.chooseToMeasure(common, options.threads);
        WeightSource weights = adapter.beside(argument.weights(options.seed));
        Interruption interruption = new Interruption()) {
      MeasuredOutput output = new MeasuredOutput(common, folder);
      output.begin(device, weights.config(), weights.kind());
      String command =
          "assay run %s --batch %d --prompt %d --generate %d"
              .formatted(
                  name + adapter.words(),
                  workload.batch(),
                  workload.promptTokens(),
                  workload.generatedTokens());
      int code =
          measuring(device, folder, interruption, TimeBudget.SHORT, command)
              .measure(weights, options.precisions(), List.of(workload));
      output.end();
      return code;
    }
  }

  private int runPlan(Path file) {
    if (model != null || batch != null || prompt != null || generate != null) {
      throw new UserError(
          "--plan names models and workloads: expected no MODEL, --batch, --prompt or --generate"
              + " beside it");
    }
    if (adapter.folder != null) {
      throw new UserError("--plan runs no adapters: expected no --adapter beside it");
    }
    if (!options.precisions().isEmpty()) {
      throw new UserError("--plan names precisions: expected no --precisions beside it");
    }
    RunPlan p = RunPlan.read(file);
    Shard share = shard == null ? Shard.ALL : Shard.of(shard);
    options.calibration();
    List<RunPlan.Cell> cells = share.of(p.cells());
    try (ResultsFolder folder = ResultsFolder.open(options.out, resume);
        Devices.Chosen device = Devices.chooseToMeasure(common, options.threads);
        Interruption interruption = new Interruption()) {
      MeasuredOutput output = new MeasuredOutput(common, folder);
      output.begin(
          device, "Plan: %s, %d of %d rows".formatted(file, cells.size(), p.cells().size()));
      String command = "assay run --plan " + file;
      int code =
          new PlannedRun(
                  measuring(device, folder, interruption, p.budget(), command), cells, options.seed)
              .measure();
      output.end();
      return code;
    }
  }

  private Measuring measuring(
      Devices.Chosen device,
      ResultsFolder folder,
      Interruption interruption,
      TimeBudget budget,
      String command) {
    return new Measuring(
        new Measuring.Setting(
            common,
            device.backend(),
            folder,
            interruption,
            budget,
            options.operations,
            command,
            options.calibration()));
  }

  private static int one(String option, @Nullable String text, String usual) {
    return MeasureOptions.counts(option, List.of(text == null ? usual : text)).getFirst();
  }
}
