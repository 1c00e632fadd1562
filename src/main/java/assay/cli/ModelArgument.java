package assay.cli;

import assay.checkpoint.BuiltinModel;
import assay.checkpoint.GgufFile;
import assay.checkpoint.GgufModel;
import assay.checkpoint.HuggingFaceConfig;
import assay.checkpoint.RandomWeights;
import assay.checkpoint.SafetensorsModel;
import assay.model.ModelConfig;
import assay.model.Presets;
import assay.model.UserError;
import assay.model.WeightSource;
import assay.tokenizer.GgufTokenizer;
import assay.tokenizer.Tokenizer;
import assay.tokenizer.Tokenizers;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * What a user may call MODEL: {@code builtin}, a preset's name, a folder with config.json and
 * safetensors, a GGUF file, or a config.json alone (random weights of that shape).
 */
final class ModelArgument {
  /** For the help of commands that take a MODEL. */
  static final String HELP =
      "builtin (the little model that comes with Assay), a preset (see assay models), a folder with"
          + " config.json and safetensors, a GGUF file, or a config.json alone (random weights of"
          + " that shape).";

  /** Seed of random weights unless the user gives another. */
  static final long DEFAULT_SEED = 1;

  private enum Kind {
    PRESET,
    FOLDER,
    GGUF,
    CONFIG
  }

  private final String text;
  private final Kind kind;
  private final @Nullable Path path;

  private ModelArgument(String text, Kind kind, @Nullable Path path) {
    this.text = text;
    this.kind = kind;
    this.path = path;
  }

  /**
   * Decides what the text names. A file or folder of that name comes before a preset.
   *
   * @throws UserError when it names nothing
   */
  static ModelArgument of(String text) {
    Path path = path(text);
    if (path != null && Files.isDirectory(path)) {
      return new ModelArgument(text, Kind.FOLDER, path);
    }
    if (path != null && Files.exists(path)) {
      String name = text.toLowerCase(Locale.ROOT);
      if (name.endsWith(".gguf")) {
        return new ModelArgument(text, Kind.GGUF, path);
      }
      if (name.endsWith(".json")) {
        return new ModelArgument(text, Kind.CONFIG, path);
      }
      throw new UserError(
          text
              + ": expected a folder, a .gguf file or a config.json (for safetensors: its folder)");
    }
    if (text.equals(BuiltinModel.NAME)) {
      return new ModelArgument(text, Kind.GGUF, BuiltinModel.file());
    }
    if (Presets.byName().containsKey(text)) {
      return new ModelArgument(text, Kind.PRESET, null);
    }
    throw new UserError(
        "no preset, file or folder called '%s': expected %s or one of the presets %s"
            .formatted(text, BuiltinModel.NAME, String.join(", ", Presets.byName().keySet())));
  }

  private static @Nullable Path path(String text) {
    try {
      return text.isEmpty() ? null : Path.of(text);
    } catch (InvalidPathException e) {
      return null;
    }
  }

  /** The shape alone, without touching weights where that is possible. */
  ModelConfig config() {
    return switch (kind) {
      case PRESET -> preset();
      case CONFIG -> HuggingFaceConfig.read(path(), stem());
      case FOLDER -> HuggingFaceConfig.read(path().resolve("config.json"), stem());
      case GGUF -> {
        try (GgufModel m = GgufModel.open(path())) {
          yield m.config();
        }
      }
    };
  }

  /** Opens the weights; random ones come from {@code seed}. */
  WeightSource weights(long seed) {
    return switch (kind) {
      case PRESET, CONFIG -> new RandomWeights(config(), seed);
      case FOLDER -> SafetensorsModel.open(path());
      case GGUF -> GgufModel.open(path());
    };
  }

  /** Whether its weights are random. */
  boolean isRandom() {
    return kind == Kind.PRESET || kind == Kind.CONFIG;
  }

  /**
   * Opens the tokenizer.
   *
   * @param override another file or folder to take it from, or null
   * @throws UserError when there is none
   */
  Tokenizer tokenizer(@Nullable Path override) {
    if (override != null) {
      return open(override);
    }
    if (path == null) {
      throw new UserError(
          text + " is a preset without a tokenizer: give token ids (--ids) or --tokenizer PATH");
    }
    return open(path);
  }

  /** The tokenizer, or null where there is none to be found (one that is broken is an error). */
  @Nullable Tokenizer tokenizerIfAny() {
    if (path == null) {
      return null;
    }
    if (kind == Kind.GGUF) {
      try (GgufFile file = GgufFile.open(path)) {
        return GgufTokenizer.isIn(file) ? GgufTokenizer.of(file) : null;
      }
    }
    Path json = tokenizerJson(path);
    return Files.exists(json) ? Tokenizers.json(json) : null;
  }

  /** Where a folder's or a config.json's tokenizer.json lies; null where there is none. */
  @Nullable Path tokenizerJson() {
    if (path == null || kind == Kind.GGUF) {
      return null;
    }
    Path json = tokenizerJson(path);
    return Files.isRegularFile(json) ? json : null;
  }

  private static Path tokenizerJson(Path path) {
    return Files.isDirectory(path)
        ? path.resolve("tokenizer.json")
        : path.resolveSibling("tokenizer.json");
  }

  private static Tokenizer open(Path path) {
    if (path.toString().toLowerCase(Locale.ROOT).endsWith(".gguf")) {
      try (GgufFile file = GgufFile.open(path)) {
        return GgufTokenizer.of(file);
      }
    }
    Path json = tokenizerJson(path);
    if (Files.isRegularFile(path) && !path.endsWith("config.json")) {
      json = path;
    }
    if (!Files.exists(json)) {
      throw new UserError(json + ": no such file: expected a tokenizer.json or a GGUF vocabulary");
    }
    return Tokenizers.json(json);
  }

  /**
   * The tokenizer that a text names on its own, where no weights are needed: also a tokenizer.json
   * and a GGUF file without tensors.
   */
  static Tokenizer tokenizerOf(String text) {
    Path path = path(text);
    if (path != null && Files.exists(path)) {
      return open(path);
    }
    return of(text).tokenizer(null);
  }

  private ModelConfig preset() {
    ModelConfig c = Presets.byName().get(text);
    if (c == null) {
      throw new IllegalStateException("preset " + text);
    }
    return c;
  }

  private Path path() {
    if (path == null) {
      throw new IllegalStateException(text + " is no path");
    }
    return path;
  }

  /** Where it lies, for messages and for files beside it; null for a preset. */
  @Nullable Path location() {
    return path;
  }

  /** The folder's name, or the file's without its ending. */
  private String stem() {
    Path p = path().toAbsolutePath().normalize();
    if (kind == Kind.CONFIG && p.endsWith("config.json") && p.getParent() != null) {
      p = p.getParent();
    }
    Path name = p.getFileName();
    return name == null ? "model" : name.toString().replaceFirst("\\.json$", "");
  }

  @Override
  public String toString() {
    return text;
  }
}
