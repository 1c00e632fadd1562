package assay.cli;

import assay.checkpoint.BuiltinModel;
import assay.cost.BufferSpec;
import assay.cost.MemoryCost;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.Presets;
import assay.units.Bytes;
import assay.units.Quantity;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code assay models}: the built-in model and the presets. */
@Command(
    name = "models",
    mixinStandardHelpOptions = true,
    description =
        "The built-in model and the presets: parameters, layers, widths, and bytes of their"
            + " weights.",
    footer = {"", "Example:", "  assay models"})
final class ModelsCommand implements Runnable {
  private static final List<Precision> SHOWN =
      List.of(Precision.FP32, Precision.BF16, Precision.FP8, Precision.INT8, Precision.INT4);

  @Mixin private CommonOptions common;

  @Override
  public void run() {
    if (common.json) {
      List<Map<String, Object>> models = new ArrayList<>();
      shown().forEach(c -> models.add(facts(c)));
      common.printJson(Map.of("models", models));
    } else {
      print();
    }
    common.out().flush();
  }

  /** The built-in model, the only one with weights of its own, and the presets. */
  private static List<ModelConfig> shown() {
    List<ModelConfig> out = new ArrayList<>();
    out.add(ModelArgument.of(BuiltinModel.NAME).config());
    out.addAll(Presets.byName().values());
    return out;
  }

  private static Map<String, Object> facts(ModelConfig c) {
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("name", c.name());
    out.put("architecture", c.architecture());
    out.put("parameters", c.parameters());
    out.put("layers", c.nLayers());
    out.put("hidden_size", c.hiddenSize());
    out.put("intermediate_size", c.intermediateSize());
    out.put("heads", c.nHeads());
    out.put("kv_heads", c.nKvHeads());
    out.put("head_dim", c.headDim());
    out.put("vocabulary", c.vocabSize());
    out.put("max_positions", c.maxSeqLen());
    out.put("experts", c.nExperts());
    Map<String, Long> bytes = new LinkedHashMap<>();
    for (Precision p : Precision.values()) {
      bytes.put(p.label(), weightBytes(c, p));
    }
    out.put("weights_bytes", bytes);
    return out;
  }

  private static long weightBytes(ModelConfig c, Precision p) {
    return MemoryCost.weights(c, t -> t.storedType(p)).stream().mapToLong(BufferSpec::bytes).sum();
  }

  private void print() {
    List<String> header =
        new ArrayList<>(
            List.of("model", "family", "parameters", "layers", "hidden", "heads/kv", "vocabulary"));
    SHOWN.forEach(p -> header.add(p.label()));
    TextTable table = new TextTable(2, header.toArray(String[]::new));
    for (ModelConfig c : shown()) {
      List<String> row =
          new ArrayList<>(
              List.of(
                  c.name(),
                  c.architecture(),
                  Quantity.count(c.parameters()),
                  String.valueOf(c.nLayers()),
                  String.valueOf(c.hiddenSize()),
                  c.nHeads() + "/" + c.nKvHeads(),
                  Quantity.count(c.vocabSize())));
      SHOWN.forEach(p -> row.add(Bytes.format(weightBytes(c, p))));
      table.add(row.toArray(String[]::new));
    }
    table.print(common.out(), "");
    common
        .out()
        .println(
            "\n"
                + "The built-in model is trained, the presets have random weights. Bytes of the"
                + " weights as stored: scales, padding and fp32 vectors included; GB is 10^9.");
  }
}
