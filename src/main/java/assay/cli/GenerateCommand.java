package assay.cli;

import assay.backend.Backend;
import assay.backend.SamplingSpec;
import assay.checkpoint.BuiltinModel;
import assay.engine.Session;
import assay.engine.SessionOptions;
import assay.model.ModelConfig;
import assay.model.UserError;
import assay.model.WeightSource;
import assay.tensor.MemoryCategory;
import assay.tokenizer.ChatTemplate;
import assay.tokenizer.StreamedText;
import assay.tokenizer.Tokenizer;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code assay generate}: text from a prompt, streamed. */
@Command(
    name = "generate",
    mixinStandardHelpOptions = true,
    description = "Text from a prompt, streamed, with its speed and the bytes used at the end.",
    footer = {
      "",
      "Examples:",
      "  assay generate",
      "  assay generate model.gguf --prompt 'Once upon a time' --max-tokens 200 --seed 7",
      "  assay generate model/ --chat --prompt 'What is a KV cache?' --temperature 0"
    })
final class GenerateCommand implements Runnable {
  @Mixin private CommonOptions common;

  @Mixin private AdapterOption adapter;

  @Parameters(
      paramLabel = "MODEL",
      arity = "0..1",
      defaultValue = BuiltinModel.NAME,
      description = ModelArgument.HELP + " Default: ${DEFAULT-VALUE}.")
  private String model = BuiltinModel.NAME;

  @Option(
      names = {"-p", "--prompt"},
      paramLabel = "TEXT",
      description =
          "The beginning of the text, or with --chat what the user says. The built-in model begins"
              + " with '"
              + BuiltinModel.PROMPT
              + "' unless told otherwise.")
  private @Nullable String prompt;

  @Option(names = "--prompt-file", paramLabel = "FILE", description = "The prompt, in a file.")
  private @Nullable String promptFile;

  @Option(
      names = "--ids",
      paramLabel = "IDS",
      description = "The prompt as token ids such as 1,2,3; needs no tokenizer.")
  private @Nullable String ids;

  @Option(
      names = "--chat",
      description = "Put the prompt into the chat template that the tokenizer has.")
  private boolean chat;

  @Option(
      names = "--system",
      paramLabel = "TEXT",
      description = "With --chat: what the system says first.")
  private @Nullable String system;

  @Option(
      names = {"-n", "--max-tokens"},
      paramLabel = "N",
      defaultValue = "128",
      description = "Tokens to generate at most (${DEFAULT-VALUE}).")
  private int maxTokens;

  @Option(
      names = "--context",
      paramLabel = "N",
      description =
          "Tokens that prompt and text may have together; as many as needed unless given.")
  private @Nullable Integer context;

  @Option(
      names = "--temperature",
      paramLabel = "T",
      defaultValue = "0.8",
      description = "Divides the logits; 0 takes the most probable token (${DEFAULT-VALUE}).")
  private float temperature;

  @Option(
      names = "--top-k",
      paramLabel = "K",
      defaultValue = "40",
      description = "Draw among the K most probable tokens; 0 for all (${DEFAULT-VALUE}).")
  private int topK;

  @Option(
      names = "--top-p",
      paramLabel = "P",
      defaultValue = "0.95",
      description =
          "Of those, the fewest whose probability exceeds P; 1 for all (${DEFAULT-VALUE}).")
  private float topP;

  @Option(
      names = "--seed",
      defaultValue = "1",
      description = "The same seed gives the same text on the same back end (${DEFAULT-VALUE}).")
  private long seed = ModelArgument.DEFAULT_SEED;

  @Option(
      names = "--precision",
      paramLabel = "PRECISION",
      description = "How weights are stored on the device; as in the file unless given.")
  private @Nullable String precision;

  @Option(names = "--ignore-end", description = "Go on after an end token.")
  private boolean ignoreEnd;

  @Option(
      names = "--tokenizer",
      paramLabel = "PATH",
      description = "A tokenizer.json, folder or GGUF file to take the tokenizer from.")
  private @Nullable Path tokenizerPath;

  /** What came out, for the report. */
  private record Outcome(
      List<Integer> ids, String text, String stoppedBy, double firstSeconds, double restSeconds) {
    /** Tokens after the first over the time that they took; NaN for one token alone. */
    double tokensPerSecond() {
      return ids.size() < 2 ? Double.NaN : (ids.size() - 1) / restSeconds;
    }
  }

  @Override
  public void run() {
    if (maxTokens < 1) {
      throw new UserError("--max-tokens " + maxTokens + ": expected 1 or more");
    }
    ModelArgument argument = ModelArgument.of(model);
    try (Tokenizer tokenizer = ids == null ? argument.tokenizer(tokenizerPath) : null;
        WeightSource source = adapter.beside(argument.weights(seed));
        Devices.Chosen device = Devices.choose(common, null)) {
      int[] tokens = prompt(tokenizer);
      SessionOptions options = options(source, tokens.length);
      common.err().println("assay: on " + device.why());
      common.err().flush();
      try (Session session = load(device.backend(), source, options)) {
        Remarks.nonFinite(common.err(), source);
        session.start(new int[][] {tokens});
        report(session, tokens.length, generate(session, tokenizer));
      }
    }
  }

  private static Session load(Backend backend, WeightSource source, SessionOptions options) {
    try (Bar bar = new Bar("loading", source.config().parameters())) {
      return Session.open(backend, source, options, null, bar);
    }
  }

  // ---- the prompt

  private int[] prompt(@Nullable Tokenizer tokenizer) {
    int given = (prompt == null ? 0 : 1) + (promptFile == null ? 0 : 1) + (ids == null ? 0 : 1);
    if (given == 0 && model.equals(BuiltinModel.NAME)) {
      prompt = BuiltinModel.PROMPT;
    } else if (given != 1) {
      throw new UserError("expected one of --prompt, --prompt-file and --ids");
    }
    if (tokenizer == null) {
      if (chat) {
        throw new UserError("--chat needs a text: expected --prompt or --prompt-file");
      }
      return nonEmpty(TokenIds.parse("--ids", ids == null ? "" : ids));
    }
    byte[] text =
        promptFile == null
            ? (prompt == null ? "" : prompt).getBytes(StandardCharsets.UTF_8)
            : TokensCommand.read(promptFile);
    return nonEmpty(chat ? chat(tokenizer, text) : tokenizer.encode(text, true, false));
  }

  private int[] chat(Tokenizer tokenizer, byte[] text) {
    List<ChatTemplate.Message> messages = new ArrayList<>();
    if (system != null) {
      messages.add(new ChatTemplate.Message("system", system));
    }
    messages.add(new ChatTemplate.Message("user", new String(text, StandardCharsets.UTF_8)));
    String rendered = new ChatTemplate(tokenizer).render(messages);
    return tokenizer.encode(rendered.getBytes(StandardCharsets.UTF_8), false, true);
  }

  private static int[] nonEmpty(int[] tokens) {
    if (tokens.length == 0) {
      throw new UserError("the prompt is empty: expected at least one token");
    }
    return tokens;
  }

  private SessionOptions options(WeightSource source, int promptTokens) {
    ModelConfig c = source.config();
    int slots = context == null ? c.maxSeqLen() : context;
    if (slots < 1 || slots > c.maxSeqLen()) {
      throw new UserError(
          "--context %d: %s has positions for %d".formatted(slots, c.name(), c.maxSeqLen()));
    }
    if (promptTokens > slots) {
      throw new UserError(
          "the prompt has %d tokens: the context holds %d".formatted(promptTokens, slots));
    }
    int needed = (int) Math.min(slots, (long) promptTokens + maxTokens);
    WeightTypes types = WeightTypes.of(source, precision);
    return types.apply(
        SessionOptions.of(types.precision(), 1, needed)
            .withSampling(new SamplingSpec(temperature, topK, topP), seed));
  }

  // ---- the text

  private Outcome generate(Session session, @Nullable Tokenizer tokenizer) {
    StreamedText stream = tokenizer == null ? null : new StreamedText(tokenizer);
    StringBuilder text = new StringBuilder();
    List<Integer> generated = new ArrayList<>();
    long start = System.nanoTime();
    session.enqueuePrefill();
    int token = session.latestTokens()[0];
    long first = System.nanoTime();
    String stoppedBy;
    while (true) {
      if (tokenizer != null && !ignoreEnd && tokenizer.stopTokens().contains(token)) {
        generated.add(token);
        stoppedBy = "end token " + token;
        break;
      }
      generated.add(token);
      show(piece(stream, tokenizer, token), text);
      if (generated.size() >= maxTokens) {
        stoppedBy = "--max-tokens";
        break;
      }
      if (session.filledSlots() >= session.options().maxSeqLen()) {
        stoppedBy = "the context of " + session.options().maxSeqLen();
        break;
      }
      session.enqueueRecordedDecode();
      token = session.latestTokens()[0];
    }
    long end = System.nanoTime();
    if (stream != null) {
      show(stream.rest(), text);
    }
    return new Outcome(
        generated, text.toString(), stoppedBy, (first - start) * 1e-9, (end - first) * 1e-9);
  }

  /** Rows of the embedding that are no entries of the vocabulary (claim M5) have no text. */
  private static String piece(
      @Nullable StreamedText stream, @Nullable Tokenizer tokenizer, int token) {
    if (stream == null || tokenizer == null) {
      return token + " ";
    }
    return tokenizer.has(token) ? stream.next(token) : stream.rest() + "[" + token + "]";
  }

  private void show(String piece, StringBuilder text) {
    text.append(piece);
    if (!common.json) {
      common.out().print(piece);
      common.out().flush();
    }
  }

  // ---- the report

  private void report(Session session, int promptTokens, Outcome o) {
    Map<MemoryCategory, Long> bytes = session.memory().tensorBytes();
    long total = bytes.values().stream().mapToLong(Long::longValue).sum();
    if (common.json) {
      common.printJson(document(session, promptTokens, o, bytes, total));
      return;
    }
    PrintWriter out = common.out();
    out.println();
    out.flush();
    PrintWriter err = common.err();
    err.printf(
        "%n%d prompt tokens, %d generated, stopped by %s%n"
            + "time to first token %.3f s (%.1f prompt tokens/s)%s%n"
            + "%d bytes: %s%n",
        promptTokens,
        o.ids().size(),
        o.stoppedBy(),
        o.firstSeconds(),
        promptTokens / o.firstSeconds(),
        Double.isNaN(o.tokensPerSecond())
            ? ""
            : ", then %.2f tokens/s".formatted(o.tokensPerSecond()),
        total,
        bytes.entrySet().stream()
            .sorted(Map.Entry.comparingByKey())
            .map(e -> e.getKey().name().toLowerCase(java.util.Locale.ROOT) + " " + e.getValue())
            .collect(Collectors.joining(", ")));
    err.flush();
  }

  private static Map<String, Object> document(
      Session session, int promptTokens, Outcome o, Map<MemoryCategory, Long> bytes, long total) {
    Map<String, Object> used = new LinkedHashMap<>();
    bytes.entrySet().stream()
        .sorted(Map.Entry.comparingByKey())
        .forEach(
            e ->
                used.put(
                    e.getKey().name().toLowerCase(java.util.Locale.ROOT) + "_bytes", e.getValue()));
    used.put("total_bytes", total);
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("model", session.config().name());
    out.put("precision", session.options().precision().label());
    out.put("prompt_tokens", promptTokens);
    out.put("generated_tokens", o.ids().size());
    out.put("ids", o.ids());
    out.put("text", o.text());
    out.put("stopped_by", o.stoppedBy());
    out.put("time_to_first_token_seconds", o.firstSeconds());
    out.put(
        "decode_tokens_per_second", Double.isNaN(o.tokensPerSecond()) ? null : o.tokensPerSecond());
    out.put("memory", used);
    return out;
  }
}
