package assay.cli;

import assay.checkpoint.BuiltinModel;
import assay.measure.TimeBudget;
import assay.model.WeightSource;
import assay.model.Workload;
import java.util.List;
import java.util.concurrent.Callable;
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
      "  assay run qwen2.5-0.5b --precisions bf16,int4 --prompt 512 --generate 64"
    })
final class RunCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;

  @Mixin private MeasureOptions options;

  @Parameters(
      paramLabel = "MODEL",
      arity = "0..1",
      defaultValue = BuiltinModel.NAME,
      description = ModelArgument.HELP + " Default: ${DEFAULT-VALUE}.")
  private String model = BuiltinModel.NAME;

  @Option(
      names = "--batch",
      paramLabel = "N",
      defaultValue = "1",
      description = "Sequences. Default: ${DEFAULT-VALUE}.")
  private String batch = "1";

  @Option(
      names = "--prompt",
      paramLabel = "N",
      defaultValue = "128",
      description = "Tokens per prompt. Default: ${DEFAULT-VALUE}.")
  private String prompt = "128";

  @Option(
      names = "--generate",
      paramLabel = "N",
      defaultValue = "64",
      description =
          "Tokens generated per sequence: the first comes from the prefill, each other one from a"
              + " decode pass. Default: ${DEFAULT-VALUE}.")
  private String generate = "64";

  @Override
  public Integer call() {
    Workload workload =
        new Workload(one("--batch", batch), one("--prompt", prompt), one("--generate", generate));
    ModelArgument argument = ModelArgument.of(model);
    options.precisions(); // a misspelt one is said before anything is opened
    try (ResultsFolder folder = ResultsFolder.create(options.out);
        Devices.Chosen device = Devices.choose(common.device, options.threads);
        WeightSource weights = argument.weights(options.seed);
        Interruption interruption = new Interruption()) {
      MeasuredOutput output = new MeasuredOutput(common, folder);
      output.begin(device, weights.config(), weights.kind());
      String command =
          "assay run %s --batch %d --prompt %d --generate %d"
              .formatted(
                  model, workload.batch(), workload.promptTokens(), workload.generatedTokens());
      int code =
          new Measuring(
                  common,
                  device.backend(),
                  weights,
                  folder,
                  interruption,
                  TimeBudget.SHORT,
                  options.operations,
                  command)
              .measure(options.precisions(), List.of(workload));
      output.end();
      return code;
    }
  }

  private static int one(String option, String text) {
    return MeasureOptions.counts(option, List.of(text)).getFirst();
  }
}
