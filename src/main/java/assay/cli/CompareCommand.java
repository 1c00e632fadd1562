package assay.cli;

import assay.backend.Backend;
import assay.checkpoint.AdaptedWeights;
import assay.checkpoint.BuiltinModel;
import assay.checkpoint.MergedWeights;
import assay.measure.Environments;
import assay.measure.compare.PrecisionComparison;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.UserError;
import assay.model.WeightSource;
import assay.report.HtmlReport;
import assay.report.ReportInput;
import assay.results.Comparison;
import assay.tokenizer.Tokenizer;
import assay.train.stories.StoryGenerator;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code assay compare}: what each precision costs in quality and saves in bytes and time. */
@Command(
    name = "compare",
    mixinStandardHelpOptions = true,
    description = {
      "Precision modes against a reference precision on one text: bytes, speed, KL divergence of"
          + " the",
      "next token, agreement, perplexity, the worst layer."
    },
    footer = {
      "",
      "Examples:",
      "  assay compare",
      "  assay compare model-folder --text-file book.txt --gptq --prune 0.5",
      "  assay compare model-folder --adapter lora/ --text-file book.txt --precisions bf16,int8"
    })
final class CompareCommand implements Runnable {
  private static final int RANDOM_TEXT_SEED = 7;

  /** The seed of the stories that the built-in model was trained on; others of it, not those. */
  private static final int STORIES_SEED = 1;

  @Mixin private CommonOptions common;

  @Mixin private AdapterOption adapter;

  @Parameters(
      paramLabel = "MODEL",
      arity = "0..1",
      defaultValue = BuiltinModel.NAME,
      description = ModelArgument.HELP + " Default: ${DEFAULT-VALUE}.")
  private String model = BuiltinModel.NAME;

  @Option(
      names = "--reference",
      defaultValue = "fp32",
      paramLabel = "PRECISION",
      description = "What the others are compared with (${DEFAULT-VALUE}).")
  private String reference = "fp32";

  @Option(
      names = {"--precisions", "--precision"},
      split = ",",
      paramLabel = "PRECISION",
      description = "Which to compare; all that the device has unless given.")
  private List<String> precisions = new ArrayList<>();

  @Option(
      names = "--text-file",
      paramLabel = "FILE",
      description =
          "The text; without one a model with a tokenizer gets stories of the built-in generator,"
              + " any other random ids, and it says so.")
  private @Nullable Path textFile;

  @Option(
      names = "--tokenizer",
      paramLabel = "PATH",
      description = "A tokenizer.json or GGUF file other than the model's own.")
  private @Nullable Path tokenizer;

  @Option(
      names = "--tokens",
      defaultValue = "512",
      description = "Tokens of the text that are used (${DEFAULT-VALUE}).")
  private int tokens = 512;

  @Option(
      names = "--window",
      defaultValue = "256",
      description = "Tokens per window (${DEFAULT-VALUE}); at most the model's context.")
  private int window = 256;

  @Option(
      names = "--stride",
      description = "Tokens from one window to the next; half a window unless given.")
  private @Nullable Integer stride;

  @Option(
      names = "--gptq",
      description = "Also int8 and int4 rounded layer-wise, on the text after the judged tokens.")
  private boolean gptq;

  @Option(
      names = "--prune",
      split = ",",
      paramLabel = "SHARE",
      description = "Also the reference precision with this share of each matrix set to zero.")
  private List<Double> prune = new ArrayList<>();

  @Option(
      names = "--against",
      paramLabel = "MODEL",
      description = "Also another checkpoint with the same vocabulary, at its own precisions.")
  private @Nullable String against;

  @Option(
      names = "--seed",
      defaultValue = "1",
      description = "Of random weights (${DEFAULT-VALUE}).")
  private long seed = 1;

  @Option(names = "--out", paramLabel = "FILE", description = "Append the rows as JSON lines.")
  private @Nullable Path out;

  @Option(
      names = "--html",
      paramLabel = "FILE",
      description = "Write a page: error over bytes as a plot, and the table.")
  private @Nullable Path html;

  @Override
  public void run() {
    ModelArgument argument = ModelArgument.of(model);
    Precision base = Precision.of(reference);
    try (Backend device = Devices.openToMeasure(common);
        WeightSource weights = adapter.beside(argument.weights(seed));
        WeightSource merged = merged(weights);
        WeightSource other = against == null ? null : ModelArgument.of(against).weights(seed)) {
      ModelConfig c = weights.config();
      int[] text = text(argument, c);
      int length = Math.min(Math.min(window, c.maxSeqLen()), Math.min(text.length, tokens));
      int step = stride == null ? Math.max(1, length / 2) : stride;
      int judged = Math.min(text.length, tokens);
      int[] calibration =
          text.length > judged ? Arrays.copyOfRange(text, judged, text.length) : text;
      PrecisionComparison.Setting setting =
          new PrecisionComparison.Setting(
              Arrays.copyOf(text, judged), length, step, randomText, command());
      List<Comparison> rows = new ArrayList<>();
      new PrecisionComparison(
              device,
              Environments.describe(device),
              setting,
              () -> Thread.currentThread().isInterrupted(),
              (what, share) -> remark(what))
          .run(
              weights,
              base,
              variants(device, base, calibration, weights, merged, other),
              rows::add);
      print(rows, base);
    }
  }

  private boolean randomText;
  private boolean stories;

  private int[] text(ModelArgument argument, ModelConfig c) {
    int wanted = gptq ? 4 * tokens : tokens;
    Tokenizer found = tokenizer != null ? argument.tokenizer(tokenizer) : argument.tokenizerIfAny();
    stories = textFile == null && found != null;
    byte[] bytes =
        stories
            ? stories(wanted, model.equals(BuiltinModel.NAME))
            : textFile == null ? new byte[0] : read(textFile);
    if (found == null || bytes.length == 0) {
      if (found != null) {
        found.close();
      }
      if (textFile != null) {
        throw new UserError(
            argument + " has no tokenizer for " + textFile + ": give --tokenizer PATH");
      }
      randomText = true;
      SplittableRandom random = new SplittableRandom(RANDOM_TEXT_SEED);
      return random.ints(wanted, 0, c.vocabSize()).toArray();
    }
    try (found) {
      int[] ids = found.encode(bytes, false, stories);
      if (ids.length < 2) {
        throw new UserError("the text has " + ids.length + " tokens: expected 2 or more");
      }
      for (int id : ids) {
        if (id >= c.vocabSize()) {
          throw new UserError(
              "the tokenizer gives id %d: the model has %d embedding rows"
                  .formatted(id, c.vocabSize()));
        }
      }
      return Arrays.copyOf(ids, Math.min(ids.length, wanted));
    }
  }

  /** More characters than the tokens that are wanted can stand for. */
  private static byte[] stories(int tokens, boolean endMarks) {
    String text = TrainingText.unseen(STORIES_SEED, Math.multiplyExact(tokens, 8));
    // The mark is a token of the built-in vocabulary; to another it would be letters.
    return (endMarks ? text : text.replace(StoryGenerator.END_OF_TEXT, "\n\n"))
        .getBytes(StandardCharsets.UTF_8);
  }

  private static byte[] read(Path file) {
    try {
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw new UserError(file + ": cannot be read as a text: " + e.getMessage());
    }
  }

  /** The adapter merged, to set beside the unmerged one (claim T9); null where it cannot be. */
  private static @Nullable WeightSource merged(WeightSource weights) {
    if (!(weights instanceof AdaptedWeights a) || WeightTypes.mostStored(a.base()).isBlocked()) {
      return null;
    }
    return new MergedWeights(a.base(), a.adapter());
  }

  private List<PrecisionComparison.Variant> variants(
      Backend device,
      Precision base,
      int[] calibration,
      WeightSource weights,
      @Nullable WeightSource merged,
      @Nullable WeightSource other) {
    List<Precision> wanted = new ArrayList<>();
    for (String label : precisions) {
      Precision p = Precision.of(label);
      if (!device.supports(p)) {
        throw new UserError(device.info().name() + " has no " + label);
      }
      wanted.add(p);
    }
    if (precisions.isEmpty()) {
      Arrays.stream(Precision.values()).filter(device::supports).forEach(wanted::add);
    }
    List<PrecisionComparison.Variant> out = new ArrayList<>();
    for (Precision p : wanted) {
      out.add(PrecisionComparison.Variant.of(p));
      if (gptq && p.weightType().isBlocked()) {
        out.add(new PrecisionComparison.Variant(p.label() + " gptq", p, calibration, 0, null));
      }
    }
    if (weights instanceof AdaptedWeights a) {
      for (Precision p : wanted) {
        if (merged != null) {
          out.add(new PrecisionComparison.Variant(p.label() + " merged", p, null, 0, merged));
        }
      }
      out.add(new PrecisionComparison.Variant(base.label() + " base", base, null, 0, a.base()));
    }
    for (double share : prune) {
      String label = String.format(Locale.ROOT, "%s pruned %.0f %%", base.label(), share * 100);
      out.add(new PrecisionComparison.Variant(label, base, null, share, null));
    }
    if (other != null) {
      for (Precision p : wanted) {
        out.add(
            new PrecisionComparison.Variant(
                other.config().name() + " " + p.label(), p, null, 0, other));
      }
    }
    return out;
  }

  private void print(List<Comparison> rows, Precision base) {
    if (out != null) {
      ComparisonFile.append(out, rows);
    }
    if (html != null) {
      ReportInput input = new ReportInput(List.of(), rows, null, List.of(), ReportCommand.made());
      ResultsFolder.write(html.toAbsolutePath(), HtmlReport.of(input));
      common.err().println("assay: wrote " + html);
      common.err().flush();
    }
    if (common.json) {
      Map<String, Object> document = new LinkedHashMap<>();
      document.put("comparisons", rows);
      common.out().println(assay.results.ResultJson.mapper().writeValueAsString(document));
      common.out().flush();
      return;
    }
    PrintWriter w = common.out();
    Comparison any = rows.getFirst();
    w.printf(
        "%s against %s: %d tokens in windows of %d, stride %d%s%n",
        any.model().name(),
        base.label(),
        any.tokens(),
        any.windowTokens(),
        any.strideTokens(),
        randomText
            ? " (random ids: no perplexity)"
            : stories
                ? model.equals(BuiltinModel.NAME)
                    ? " of stories that it was not trained on"
                    : " of the built-in generator's stories"
                : "");
    w.printf(
        "%-16s %12s %9s %9s %11s %11s %8s %11s %s%n",
        "",
        "weights",
        "prefill",
        "decode",
        "KL mean",
        "KL p99",
        "top-1",
        "perplexity",
        "worst layer");
    w.printf(
        "%-16s %12s %9s %9s %11s %11s %8s %11s %s%n",
        "", "bytes", "tok/s", "tok/s", "nats", "nats", "agree", "", "(relative L2)");
    for (Comparison c : rows) {
      w.printf(
          "%-16s %,12d %9s %9s %11.3g %11.3g %7.2f%% %11s %d (%.2g)%n",
          c.variant(),
          c.weightsBytes(),
          rate(c.prefillTokensPerSecond()),
          rate(c.decodeTokensPerSecond()),
          c.klMeanNats(),
          c.klP99Nats(),
          100 * c.top1Agreement(),
          c.perplexity() == null ? "-" : String.format(Locale.ROOT, "%.3f", c.perplexity()),
          c.worstLayer(),
          c.worstLayerError());
    }
    w.flush();
  }

  private static String rate(@Nullable Double perSecond) {
    return perSecond == null ? "-" : String.format(Locale.ROOT, "%.1f", perSecond);
  }

  private void remark(String what) {
    if (!common.json && Terminal.standardErrorIsTerminal()) {
      common.err().println(what);
      common.err().flush();
    }
  }

  private String command() {
    StringBuilder s =
        new StringBuilder("assay compare " + model + adapter.words() + " --reference " + reference);
    if (!precisions.isEmpty()) {
      s.append(" --precisions ").append(String.join(",", precisions));
    }
    if (textFile != null) {
      s.append(" --text-file ").append(textFile);
    }
    s.append(" --tokens ").append(tokens).append(" --window ").append(window);
    if (gptq) {
      s.append(" --gptq");
    }
    for (double share : prune) {
      s.append(" --prune ").append(share);
    }
    return s.toString();
  }
}
