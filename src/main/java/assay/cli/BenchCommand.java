package assay.cli;

import assay.measure.TimeBudget;
import assay.model.WeightSource;
import assay.model.Workload;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code assay bench}: speed over batch, context and precision. */
@Command(
    name = "bench",
    mixinStandardHelpOptions = true,
    description = {
      "Speed alone, prefill and decode apart, over every combination of batch, prompt length and"
          + " precision, with the spread of the runs."
    },
    footer = {
      "",
      "Example:",
      "  assay bench tinyllama-1.1b --precisions bf16,int8 --prompt 128,512 --batch 1,4"
    })
final class BenchCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;

  @Mixin private MeasureOptions options;

  @Mixin private AdapterOption adapter;

  @Parameters(paramLabel = "MODEL", description = ModelArgument.HELP)
  private String model = "";

  @Option(
      names = "--batch",
      paramLabel = "N",
      split = ",",
      defaultValue = "1",
      description = "Sequences: one or several numbers. Default: ${DEFAULT-VALUE}.")
  private List<String> batches = new ArrayList<>();

  @Option(
      names = "--prompt",
      paramLabel = "N",
      split = ",",
      defaultValue = "128,512",
      description = "Tokens per prompt, one or several. Default: ${DEFAULT-VALUE}.")
  private List<String> prompts = new ArrayList<>();

  @Option(
      names = "--context",
      paramLabel = "N",
      split = ",",
      description = "Further lengths at which decode begins: prompts of that many tokens.")
  private List<String> contexts = new ArrayList<>();

  @Option(
      names = "--generate",
      paramLabel = "N",
      defaultValue = "64",
      description = "Tokens generated per sequence. Default: ${DEFAULT-VALUE}.")
  private String generate = "64";

  @Override
  public Integer call() {
    List<Workload> workloads = workloads();
    ModelArgument argument = ModelArgument.of(model);
    options.precisions();
    options.calibration();
    try (ResultsFolder folder = ResultsFolder.open(options.out, false);
        Devices.Chosen device = Devices.chooseToMeasure(common, options.threads);
        WeightSource weights = adapter.beside(argument.weights(options.seed));
        Interruption interruption = new Interruption()) {
      MeasuredOutput output = new MeasuredOutput(common, folder);
      output.begin(device, weights.config(), weights.kind());
      String command =
          "assay bench %s --batch %s --prompt %s --generate %s"
              .formatted(
                  model + adapter.words(),
                  String.join(",", batches),
                  String.join(",", prompts),
                  generate);
      int code =
          new Measuring(
                  new Measuring.Setting(
                      common,
                      device.backend(),
                      folder,
                      interruption,
                      TimeBudget.THOROUGH,
                      options.operations,
                      command,
                      options.calibration()))
              .measure(weights, options.precisions(), workloads);
      output.end();
      return code;
    }
  }

  private List<Workload> workloads() {
    LinkedHashSet<Integer> lengths =
        new LinkedHashSet<>(MeasureOptions.counts("--prompt", prompts));
    lengths.addAll(MeasureOptions.counts("--context", contexts));
    int tokens = MeasureOptions.counts("--generate", List.of(generate)).getFirst();
    List<Workload> out = new ArrayList<>();
    for (int batch : MeasureOptions.counts("--batch", batches)) {
      lengths.forEach(length -> out.add(new Workload(batch, length, tokens)));
    }
    return out;
  }
}
