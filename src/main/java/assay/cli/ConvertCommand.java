package assay.cli;

import assay.checkpoint.GgufExport;
import assay.checkpoint.GgufMetadata;
import assay.checkpoint.GgufModel;
import assay.checkpoint.HuggingFaceExport;
import assay.checkpoint.LoraAdapter;
import assay.checkpoint.MergedWeights;
import assay.model.DType;
import assay.model.UserError;
import assay.model.WeightSource;
import assay.tokenizer.GgufTokenizer;
import assay.tokenizer.GgufVocabularyWriter;
import assay.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code assay convert}: writes a model anew. */
@Command(
    name = "convert",
    mixinStandardHelpOptions = true,
    description = {
      "Writes a model anew, as a folder with safetensors or as a GGUF file that llama.cpp opens, in"
          + " other types if asked.",
      "A LoRA adapter can be merged. A Baichuan 2 comes out with its head normalised, as a Baichuan"
          + " 1."
    },
    footer = {
      "",
      "Examples:",
      "  assay convert llama/ --gguf llama-q8_0.gguf --type q8_0",
      "  assay convert model.gguf --folder model/ --type bf16",
      "  assay convert llama/ --merge-lora adapter/ --out merged/"
    })
final class ConvertCommand implements Runnable {
  private static final List<String> TOKENIZER_FILES =
      List.of(
          "tokenizer.json",
          "tokenizer_config.json",
          "tokenizer.model",
          "special_tokens_map.json",
          "generation_config.json",
          "chat_template.jinja",
          "vocab.json",
          "merges.txt");

  @Mixin private CommonOptions common;

  @Parameters(paramLabel = "MODEL", description = ModelArgument.HELP)
  private String model = "";

  @Option(names = "--gguf", paramLabel = "FILE", description = "Writes a GGUF file.")
  private @Nullable Path gguf;

  @Option(
      names = {"--folder", "--out"},
      paramLabel = "FOLDER",
      description = "Writes config.json and model.safetensors into a folder.")
  private @Nullable Path folder;

  @Option(
      names = "--type",
      paramLabel = "TYPE",
      description =
          "Type of the matrices: f32, f16, bf16; in GGUF also q8_0, q4_0. Unless given, each keeps"
              + " its own.")
  private @Nullable String type;

  @Option(
      names = "--merge-lora",
      paramLabel = "ADAPTER",
      description =
          "A PEFT folder whose LoRA adapter is merged: W + scale·B·A, summed in fp64, rounded to"
              + " the type written.")
  private @Nullable Path adapter;

  @Option(names = "--seed", defaultValue = "1", description = "Seed of random weights.")
  private long seed = ModelArgument.DEFAULT_SEED;

  private final List<String> remarks = new ArrayList<>();

  @Override
  public void run() {
    if ((gguf == null) == (folder == null)) {
      throw new UserError("expected either --gguf FILE or --folder FOLDER");
    }
    ModelArgument argument = ModelArgument.of(model);
    try (WeightSource base = argument.weights(seed);
        LoraAdapter lora = adapter == null ? null : LoraAdapter.open(adapter, base.config());
        WeightSource source = lora == null ? base : new MergedWeights(base, lora)) {
      if (lora != null) {
        remarks.add(merged(lora));
      }
      boolean normalised = source.config().normalizedHead();
      Path written =
          gguf != null ? toGguf(argument, base, source, gguf) : toFolder(argument, base, source);
      if (normalised) {
        remarks.add("the rows of the head are normalised now: a Baichuan 1 (claim I7)");
      }
      Remarks.nonFinite(common.err(), source);
      report(source, written);
    }
  }

  private static String merged(LoraAdapter lora) {
    return "merged %s: %d adapters, %d trainable parameters; W + scale·B·A is summed in fp64 and"
            .formatted(lora.name(), lora.shape().modules().size(), lora.shape().parameters())
        + " rounded to the type written";
  }

  private @Nullable DType type() {
    if (type == null) {
      return null;
    }
    return switch (type.toLowerCase(Locale.ROOT)) {
      case "f32", "fp32" -> DType.F32;
      case "f16", "fp16" -> DType.F16;
      case "bf16" -> DType.BF16;
      case "q8_0", "int8" -> DType.Q8_0;
      case "q4_0", "int4" -> DType.Q4_0;
      default -> throw new UserError("--type " + type + ": expected f32, f16, bf16, q8_0 or q4_0");
    };
  }

  private Path toGguf(ModelArgument argument, WeightSource base, WeightSource source, Path out) {
    refuseOverwriting(argument, out);
    GgufExport export = new GgufExport(source, type());
    GgufMetadata metadata = export.metadata();
    addTokenizer(metadata, argument, base);
    try (Bar bar = new Bar("writing", source.config().parameters())) {
      export.write(out, metadata, bar);
    }
    remarks.addAll(export.remarks());
    return out;
  }

  private void addTokenizer(GgufMetadata metadata, ModelArgument argument, WeightSource source) {
    if (source instanceof GgufModel m && GgufTokenizer.isIn(m.file())) {
      metadata.copy(m.file(), "tokenizer.");
      return;
    }
    Path json = argument.tokenizerJson();
    if (json == null) {
      metadata.string("tokenizer.ggml.model", "no_vocab");
      remarks.add("no tokenizer found: the file holds none");
      return;
    }
    try (Tokenizer tokenizer = argument.tokenizer(null)) {
      int rows = source.config().vocabSize();
      Optional<String> kind = GgufVocabularyWriter.add(metadata, json, tokenizer, rows);
      if (kind.isEmpty()) {
        metadata.string("tokenizer.ggml.model", "no_vocab");
        remarks.add("GGUF has no kind of tokenizer that encodes as " + json + ": it holds none");
      }
    }
  }

  private Path toFolder(ModelArgument argument, WeightSource base, WeightSource source) {
    Path out = java.util.Objects.requireNonNull(folder);
    refuseOverwriting(argument, out);
    HuggingFaceExport export = new HuggingFaceExport(source, type());
    try (Bar bar = new Bar("writing", source.config().parameters())) {
      export.write(out, bar);
    }
    Path json = argument.tokenizerJson();
    if (json != null) {
      copyTokenizer(json, out);
    } else if (base instanceof GgufModel m && GgufTokenizer.isIn(m.file())) {
      remarks.add("the vocabulary of a GGUF file is not written as tokenizer.json");
    }
    return out;
  }

  private static void copyTokenizer(Path json, Path out) {
    for (String name : TOKENIZER_FILES) {
      Path from = json.resolveSibling(name);
      try {
        if (Files.isRegularFile(from)) {
          Files.copy(from, out.resolve(name), StandardCopyOption.REPLACE_EXISTING);
        }
      } catch (IOException e) {
        throw new UserError(from + ": cannot be copied: " + e);
      }
    }
  }

  /** The source is mapped while the result is written. */
  private static void refuseOverwriting(ModelArgument argument, Path out) {
    Path from = argument.location();
    try {
      if (from != null && Files.exists(out) && Files.isSameFile(from, out)) {
        throw new UserError(out + " is the model itself: expected another place");
      }
    } catch (IOException e) {
      throw new UserError(out + ": cannot be looked at: " + e.getMessage());
    }
  }

  private void report(WeightSource source, Path written) {
    long bytes = bytes(written);
    if (common.json) {
      Map<String, Object> document = new LinkedHashMap<>();
      document.put("written", written.toString());
      document.put("file_bytes", bytes);
      document.put("parameters", source.config().parameters());
      document.put("remarks", remarks);
      common.printJson(document);
      return;
    }
    common
        .out()
        .printf("%s: %d parameters, %d bytes%n", written, source.config().parameters(), bytes);
    remarks.forEach(r -> common.out().println("  " + r));
    common.out().flush();
  }

  private static long bytes(Path written) {
    try {
      return Files.size(
          Files.isDirectory(written) ? written.resolve("model.safetensors") : written);
    } catch (IOException e) {
      throw new UserError(written + ": cannot be looked at: " + e.getMessage());
    }
  }
}
