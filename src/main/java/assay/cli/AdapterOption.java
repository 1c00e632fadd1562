package assay.cli;

import assay.checkpoint.AdaptedWeights;
import assay.model.WeightSource;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What every command offers that runs a model's weights. */
final class AdapterOption {
  @Option(
      names = "--adapter",
      paramLabel = "FOLDER",
      description =
          "A LoRA adapter as PEFT writes it (adapter_config.json, adapter_model.safetensors), run"
              + " unmerged beside the weights.")
  @Nullable Path folder;

  /** The weights, with the adapter where one is given; closing the result closes both. */
  WeightSource beside(WeightSource base) {
    return folder == null ? base : AdaptedWeights.of(base, folder);
  }

  /** For a row's command. */
  String words() {
    return folder == null ? "" : " --adapter " + folder;
  }
}
