package assay.cli;

import assay.checkpoint.LoraAdapter;
import assay.measure.inspect.WeightScan;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.TensorSpec;
import assay.model.WeightLayout;
import assay.model.WeightRole;
import assay.model.WeightSource;
import assay.results.ResultJson;
import assay.tokenizer.Tokenizer;
import assay.tokenizer.VocabularyCount;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code assay inspect}: what a model is made of. */
@Command(
    name = "inspect",
    mixinStandardHelpOptions = true,
    description = {
      "Parameters by component, tensors with their types and bytes, zeros and values that are not",
      "finite, the tokenizer's vocabulary against the embedding's rows."
    },
    footer = {"", "Example:", "  assay inspect model-folder --tensors"})
final class InspectCommand implements Runnable {
  @Mixin private CommonOptions common;

  @Option(
      names = "--adapter",
      paramLabel = "FOLDER",
      description =
          "A LoRA adapter as PEFT writes it: its trainable parameters, its bytes, and what it costs"
              + " per token (claims T8, T9).")
  private @Nullable Path adapter;

  @Parameters(paramLabel = "MODEL", description = ModelArgument.HELP)
  private String model = "";

  @Option(names = "--tensors", description = "List every tensor (in JSON they always are).")
  private boolean tensors;

  @Option(
      names = "--no-values",
      description = "Read no weights: no zeros, no check for NaN. Random weights are never read.")
  private boolean noValues;

  private record Row(
      TensorSpec spec, String type, long bytes, WeightScan.@Nullable Values values) {}

  @Override
  public void run() {
    ModelArgument argument = ModelArgument.of(model);
    try (WeightSource weights = argument.weights(ModelArgument.DEFAULT_SEED);
        LoraAdapter lora = adapter == null ? null : LoraAdapter.open(adapter, weights.config())) {
      List<Row> rows = rows(argument, weights);
      VocabularyCount vocabulary = vocabulary(argument);
      if (common.json) {
        Map<String, Object> document = json(weights, rows, vocabulary);
        if (lora != null) {
          document.put("adapter", AdapterFacts.of(lora, weights.config()).json());
        }
        common.out().println(ResultJson.mapper().writeValueAsString(document));
        common.out().flush();
      } else {
        print(weights, rows, vocabulary);
        if (lora != null) {
          AdapterFacts.of(lora, weights.config()).print(common.out());
        }
      }
    }
  }

  private List<Row> rows(ModelArgument argument, WeightSource weights) {
    boolean scan = !noValues && !argument.isRandom();
    List<Row> out = new ArrayList<>();
    for (TensorSpec t : WeightLayout.of(weights.config())) {
      out.add(
          new Row(
              t,
              weights.storedType(t).name(),
              weights.storedType(t).bytes(t.rows(), t.columns()),
              scan ? WeightScan.of(weights, t) : null));
    }
    return out;
  }

  private static @Nullable VocabularyCount vocabulary(ModelArgument argument) {
    try (Tokenizer t = argument.tokenizerIfAny()) {
      return t == null ? null : t.vocabulary();
    }
  }

  private static Map<WeightRole.Component, Long> byComponent(List<Row> rows) {
    Map<WeightRole.Component, Long> out = new EnumMap<>(WeightRole.Component.class);
    rows.forEach(r -> out.merge(r.spec.role().component(), r.spec.elements(), Long::sum));
    return out;
  }

  private static Map<String, Long> byType(List<Row> rows) {
    Map<String, Long> out = new LinkedHashMap<>();
    rows.forEach(r -> out.merge(r.type, r.bytes, Long::sum));
    return out;
  }

  private static Map<String, Object> json(
      WeightSource weights, List<Row> rows, @Nullable VocabularyCount vocabulary) {
    ModelConfig c = weights.config();
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("name", c.name());
    out.put("architecture", c.architecture());
    out.put("weights", weights.kind());
    out.put("parameters", c.parameters());
    Map<String, Long> components = new LinkedHashMap<>();
    byComponent(rows).forEach((k, v) -> components.put(k.name().toLowerCase(Locale.ROOT), v));
    out.put("parameters_by_component", components);
    out.put("stored_bytes_by_type", byType(rows));
    Map<String, Long> bytes = new LinkedHashMap<>();
    for (Precision p : Precision.values()) {
      bytes.put(p.label(), bytesAt(rows, p));
    }
    out.put("weights_bytes_by_precision", bytes);
    out.put("embedding_rows", c.vocabSize());
    if (vocabulary != null) {
      out.put("vocabulary", TokensCommand.vocabulary(vocabulary));
      out.put("rows_beyond_vocabulary", c.vocabSize() - vocabulary.total());
    }
    if (rows.getFirst().values != null) {
      out.put("exact_zero_fraction", (double) sum(rows, true) / c.parameters());
      out.put("near_zero_fraction", (double) sum(rows, false) / c.parameters());
      out.put("non_finite", nonFinite(rows));
    }
    out.put("config", c);
    out.put("tensors", rows.stream().map(InspectCommand::tensor).toList());
    return out;
  }

  private static Map<String, Object> tensor(Row r) {
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("role", r.spec.role().name());
    out.put("layer", r.spec.layer() < 0 ? null : r.spec.layer());
    out.put("rows", r.spec.rows());
    out.put("columns", r.spec.columns());
    out.put("type", r.type);
    out.put("bytes", r.bytes);
    if (r.values != null) {
      out.put("zeros", r.values.zeros());
      out.put("near_zero", r.values.nearZero());
      out.put("non_finite", r.values.nonFinite());
      out.put("rms", r.values.rms());
      out.put("largest", r.values.largest());
    }
    return out;
  }

  private static long bytesAt(List<Row> rows, Precision p) {
    return rows.stream().mapToLong(r -> r.spec.storedBytes(p)).sum();
  }

  private static long sum(List<Row> rows, boolean exact) {
    long n = 0;
    for (Row r : rows) {
      if (r.values != null) {
        n += exact ? r.values.zeros() : r.values.nearZero();
      }
    }
    return n;
  }

  private static long nonFinite(List<Row> rows) {
    return rows.stream().mapToLong(r -> r.values == null ? 0 : r.values.nonFinite()).sum();
  }

  private void print(WeightSource weights, List<Row> rows, @Nullable VocabularyCount vocabulary) {
    ModelConfig c = weights.config();
    PrintWriter w = common.out();
    w.printf(
        "%s: %s, %,d parameters, %d layers of %d, %d heads / %d key-value heads of %d, MLP %d,"
            + " context %,d, %s weights%n",
        c.name(),
        c.architecture(),
        c.parameters(),
        c.nLayers(),
        c.hiddenSize(),
        c.nHeads(),
        c.nKvHeads(),
        c.headDim(),
        c.intermediateSize(),
        c.maxSeqLen(),
        weights.kind());
    byComponent(rows)
        .forEach(
            (k, v) ->
                w.printf(
                    "  %-10s %,16d parameters  %5.1f %%%n",
                    k.name().toLowerCase(Locale.ROOT), v, 100.0 * v / c.parameters()));
    w.print("stored as ");
    byType(rows).forEach((type, bytes) -> w.printf("%s %,d bytes  ", type, bytes));
    w.println();
    w.print("weights at ");
    for (Precision p : Precision.values()) {
      w.printf("%s %.3f GB  ", p.label(), bytesAt(rows, p) / 1e9);
    }
    w.println();
    if (vocabulary == null) {
      w.printf("embedding rows %,d; no tokenizer here to compare with%n", c.vocabSize());
    } else {
      w.printf(
          "embedding rows %,d, vocabulary %,d (%,d ordinary): %,d rows beyond it%n",
          c.vocabSize(),
          vocabulary.total(),
          vocabulary.ordinary(),
          c.vocabSize() - vocabulary.total());
    }
    if (rows.getFirst().values != null) {
      w.printf(
          "exactly zero %.4f %%, below %.0f %% of their tensor's root mean square %.3f %%%n",
          100.0 * sum(rows, true) / c.parameters(),
          100 * WeightScan.NEAR,
          100.0 * sum(rows, false) / c.parameters());
      long bad = nonFinite(rows);
      w.println(bad == 0 ? "all values finite" : "WARNING: " + bad + " values are NaN or infinite");
      rows.stream()
          .filter(r -> r.values != null && r.values.nonFinite() > 0)
          .forEach(r -> w.printf("  %,d in %s%n", r.values.nonFinite(), r.spec));
    }
    if (tensors) {
      rows.forEach(r -> w.printf("  %-40s %-5s %,14d bytes%n", r.spec, r.type, r.bytes));
    }
    w.flush();
  }
}
