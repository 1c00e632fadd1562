package assay.measure.compare;

import assay.backend.Backend;
import assay.cost.MemoryCost;
import assay.cost.MemoryKind;
import assay.cost.SessionSize;
import assay.engine.PassObserver;
import assay.engine.Session;
import assay.engine.SessionOptions;
import assay.engine.quantize.GptqWeights;
import assay.engine.quantize.InputMoments;
import assay.engine.quantize.PrunedWeights;
import assay.measure.Progress;
import assay.measure.StopSignal;
import assay.measure.TimeBudget;
import assay.measure.TimedRuns;
import assay.model.AdapterSource;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.UserError;
import assay.model.WeightSource;
import assay.model.Workload;
import assay.results.Comparison;
import assay.results.Environment;
import assay.results.ModelFacts;
import assay.results.ResultRow;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Compares precisions, layer-wise rounding, pruning and other checkpoints against a reference
 * precision, on one text.
 */
public final class PrecisionComparison {
  private static final int LOGIT_ROWS = 64;
  private static final int TIMED_PASSES = 17;
  private static final TimeBudget TIMES = new TimeBudget(1.5, 1, 5, 100, 0);

  /**
   * One thing to compare.
   *
   * @param label its name in the table
   * @param precision how matrices are stored
   * @param gptqText ids of the calibration text; null for plain rounding
   * @param pruned share of each matrix set to zero; 0 for none
   * @param weights other weights than the reference's, or null
   */
  @SuppressWarnings("ArrayRecordComponent")
  public record Variant(
      String label,
      Precision precision,
      int @Nullable [] gptqText,
      double pruned,
      @Nullable WeightSource weights) {
    /** Plain rounding to a precision. */
    public static Variant of(Precision precision) {
      return new Variant(precision.label(), precision, null, 0, null);
    }
  }

  /**
   * What is fixed for all variants.
   *
   * @param text token ids
   * @param window tokens per window
   * @param stride tokens from a window to the next
   * @param randomText the ids are random: no perplexity is given
   * @param command what repeats it
   */
  @SuppressWarnings("ArrayRecordComponent")
  public record Setting(int[] text, int window, int stride, boolean randomText, String command) {}

  private final Backend device;
  private final Environment environment;
  private final Setting setting;
  private final StopSignal stop;
  private final Progress progress;

  /** On one device. */
  public PrecisionComparison(
      Backend device,
      Environment environment,
      Setting setting,
      StopSignal stop,
      Progress progress) {
    this.device = device;
    this.environment = environment;
    this.setting = setting;
    this.stop = stop;
    this.progress = progress;
  }

  /**
   * Runs the reference, then every variant; {@code found} hears each comparison as it is done.
   *
   * @throws UserError exit code 3 when a variant, or the reference's logits on the host, do not fit
   */
  public void run(
      WeightSource weights,
      Precision reference,
      List<Variant> variants,
      Consumer<Comparison> found) {
    List<Windows.Window> windows =
        new Windows(setting.text(), setting.window(), setting.stride()).all();
    int tokens = setting.text().length - 1;
    long logitBytes = Math.multiplyExact(4L * tokens, weights.config().vocabSize());
    long free = assay.backend.HostBackend.hostMemory().freeBytes();
    if (logitBytes > free / 2) {
      throw new UserError(
          UserError.DOES_NOT_FIT,
          "the reference's logits of %d tokens take %d bytes, %d are free: give fewer --tokens"
              .formatted(tokens, logitBytes, free));
    }
    try (Arena memory = Arena.ofShared()) {
      MemorySegment logits = memory.allocate(Math.max(1, logitBytes), 64);
      progress.at("reference " + reference.label(), 0);
      List<float[]> residuals = reference(weights, reference, windows, logits);
      for (int i = 0; i < variants.size(); i++) {
        stop.check();
        Variant v = variants.get(i);
        progress.at(v.label(), (i + 1.0) / (variants.size() + 1));
        found.accept(compare(weights, reference, v, windows, logits, residuals));
      }
    }
  }

  private Session open(WeightSource weights, Precision precision, List<Windows.Window> windows) {
    int longest = windows.stream().mapToInt(w -> w.ids().length).max().orElse(1);
    int slots = Math.min(weights.config().maxSeqLen(), longest + TIMED_PASSES);
    return Session.open(
        device,
        weights,
        SessionOptions.of(precision, 1, slots).withLogitRows(Math.min(LOGIT_ROWS, longest)));
  }

  /**
   * Fills {@code logits} with one row per judged token; returns the first window's residual stream
   * after each block.
   */
  private List<float[]> reference(
      WeightSource weights,
      Precision precision,
      List<Windows.Window> windows,
      MemorySegment logits) {
    List<float[]> residuals = new ArrayList<>();
    int vocabulary = weights.config().vocabSize();
    try (Session session = open(weights, precision, windows)) {
      int[] written = {0};
      for (Windows.Window w : windows) {
        stop.check();
        boolean first = written[0] == 0;
        observe(
            session,
            w,
            first ? residuals::add : r -> {},
            (row, values, at) -> {
              MemorySegment.copy(
                  values,
                  at,
                  logits,
                  ValueLayout.JAVA_FLOAT,
                  4L * vocabulary * written[0]++,
                  vocabulary);
            });
      }
    }
    return residuals;
  }

  @FunctionalInterface
  private interface JudgedRow {
    void accept(int row, float[] logits, int at);
  }

  private static void observe(
      Session session, Windows.Window w, Consumer<float[]> residual, JudgedRow judged) {
    session.start(new int[][] {w.ids()});
    session.observePrefill(new WindowObserver(session, w, residual, judged));
  }

  /** Passes may be shorter than the window: rows are counted through. */
  private static final class WindowObserver implements PassObserver {
    private final Session session;
    private final Windows.Window window;
    private final Consumer<float[]> residual;
    private final JudgedRow judged;
    private int passStart;
    private int passRows;

    WindowObserver(
        Session session, Windows.Window window, Consumer<float[]> residual, JudgedRow judged) {
      this.session = session;
      this.window = window;
      this.residual = residual;
      this.judged = judged;
    }

    @Override
    public void residual(int layer, Tensor values) {
      if (layer < 0) {
        passStart += passRows;
        passRows = values.rows();
      } else {
        residual.accept(session.readFloats(values));
      }
    }

    @Override
    public void logits(int firstRow, Tensor normed, Tensor logits) {
      float[] all = session.readFloats(logits);
      for (int r = 0; r < logits.rows(); r++) {
        int position = passStart + firstRow + r;
        if (position >= window.firstJudged() && window.nextIds()[position] >= 0) {
          judged.accept(position, all, r * logits.columns());
        }
      }
    }
  }

  private Comparison compare(
      WeightSource weights,
      Precision reference,
      Variant v,
      List<Windows.Window> windows,
      MemorySegment logits,
      List<float[]> residuals) {
    WeightSource base = v.weights() == null ? weights : v.weights();
    checkVocabulary(weights.config(), base.config());
    if (v.gptqText() != null) {
      try (GptqWeights rounded = gptq(base, v, windows)) {
        return judge(rounded, reference, v, windows, logits, residuals);
      }
    }
    if (v.pruned() > 0) {
      try (PrunedWeights pruned = new PrunedWeights(base, v.pruned())) {
        return judge(pruned, reference, v, windows, logits, residuals);
      }
    }
    return judge(base, reference, v, windows, logits, residuals);
  }

  private static void checkVocabulary(ModelConfig a, ModelConfig b) {
    if (a.vocabSize() != b.vocabSize()) {
      throw new UserError(
          "%s has %d embedding rows, %s has %d: expected equal vocabularies"
              .formatted(a.name(), a.vocabSize(), b.name(), b.vocabSize()));
    }
  }

  private GptqWeights gptq(WeightSource weights, Variant v, List<Windows.Window> windows) {
    int[] text = v.gptqText();
    DType type = v.precision().weightType();
    int longest = windows.stream().mapToInt(w -> w.ids().length).max().orElse(1);
    try (Session session =
        Session.open(device, weights, SessionOptions.of(Precision.FP32, 1, longest))) {
      InputMoments moments = new InputMoments(session);
      int length = text == null ? 0 : text.length;
      for (int first = 0; text != null && first < length; first += longest) {
        stop.check();
        session.start(
            new int[][] {
              java.util.Arrays.copyOfRange(text, first, Math.min(length, first + longest))
            });
        session.observePrefill(moments);
      }
      return new GptqWeights(weights, type, moments, share -> stop.check());
    }
  }

  private Comparison judge(
      WeightSource weights,
      Precision reference,
      Variant v,
      List<Windows.Window> windows,
      MemorySegment logits,
      List<float[]> residuals) {
    int vocabulary = weights.config().vocabSize();
    int tokens = setting.text().length - 1;
    Judgement judgement = new Judgement(tokens);
    double zeros = ZeroCount.of(weights, v.precision());
    try (Session session = open(weights, v.precision(), windows)) {
      List<float[]> own = new ArrayList<>();
      for (Windows.Window w : windows) {
        stop.check();
        boolean first = judgement.tokens() == 0;
        List<float[]> rows = new ArrayList<>();
        List<Integer> next = new ArrayList<>();
        observe(
            session,
            w,
            first ? own::add : r -> {},
            (row, values, at) -> {
              rows.add(java.util.Arrays.copyOfRange(values, at, at + vocabulary));
              next.add(w.nextIds()[row]);
            });
        int before = judgement.tokens();
        Judgement.Pair[] pairs = new Judgement.Pair[rows.size()];
        IntStream.range(0, pairs.length)
            .parallel()
            .forEach(
                i -> {
                  float[] expected = new float[vocabulary];
                  MemorySegment.copy(
                      logits,
                      ValueLayout.JAVA_FLOAT,
                      4L * vocabulary * (before + i),
                      expected,
                      0,
                      vocabulary);
                  pairs[i] = Judgement.compare(expected, rows.get(i), 0, vocabulary, next.get(i));
                });
        for (Judgement.Pair p : pairs) {
          judgement.add(p);
        }
      }
      int[] worst = new int[1];
      double worstError = worstLayer(residuals, own, weights.config().nLayers(), worst);
      TimedRuns.Result times = time(session, windows.getFirst());
      return row(weights, reference, v, session, judgement, zeros, worst[0], worstError, times);
    }
  }

  /**
   * Largest relative L2 distance of a block's output over the first window; chunks of one block are
   * taken together.
   */
  private static double worstLayer(
      List<float[]> reference, List<float[]> own, int layers, int[] worst) {
    if (reference.size() != own.size()) {
      // Another checkpoint with another depth has no corresponding layers.
      return 0;
    }
    double largest = 0;
    for (int l = 0; l < layers; l++) {
      double difference = 0;
      double norm = 0;
      for (int i = l; i < own.size(); i += layers) {
        float[] a = reference.get(i);
        float[] b = own.get(i);
        for (int j = 0; j < a.length; j++) {
          difference += Math.pow((double) a[j] - b[j], 2);
          norm += (double) a[j] * a[j];
        }
      }
      double error = Math.sqrt(difference / norm);
      if (!(error <= largest)) {
        largest = error;
        worst[0] = l;
      }
    }
    return largest;
  }

  private TimedRuns.Result time(Session session, Windows.Window w) {
    int prompt = w.ids().length;
    int generated = Math.min(TIMED_PASSES, Math.max(1, session.options().maxSeqLen() - prompt + 1));
    session.start(new int[][] {w.ids()});
    return TimedRuns.take(session, new Workload(1, prompt, generated), TIMES, stop, share -> {});
  }

  private Comparison row(
      WeightSource weights,
      Precision reference,
      Variant v,
      Session session,
      Judgement j,
      double zeros,
      int worst,
      double worstError,
      TimedRuns.Result times) {
    ModelConfig c = weights.config();
    SessionSize size =
        SessionSize.of(v.precision(), DType.F32, 1, 1); // weights do not depend on it
    AdapterSource adapter = weights.adapter();
    long predicted =
        MemoryCost.of(
                c,
                size,
                0,
                t -> t.storedType(v.precision()),
                adapter == null ? null : adapter.shape())
            .bytes(MemoryKind.WEIGHTS);
    int prompt = Math.min(setting.window(), setting.text().length);
    return new Comparison(
        ResultRow.SCHEMA,
        Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
        environment,
        facts(weights),
        v.label(),
        reference.label(),
        device.arithmetic(v.precision(), c, size.batch() * size.passTokens()),
        j.tokens(),
        setting.window(),
        setting.stride(),
        predicted,
        bytes(session, MemoryCategory.WEIGHTS),
        bytes(session, MemoryCategory.KV_CACHE),
        zeros,
        prompt / times.prefill().median(),
        times.decode() == null ? null : 1 / times.decode().median(),
        j.klMean(),
        j.klP99(),
        j.top1Agreement(),
        setting.randomText() ? null : j.perplexity(),
        worst,
        worstError,
        setting.command());
  }

  private static long bytes(Session session, MemoryCategory category) {
    return session.memory().tensorBytes().getOrDefault(category, 0L);
  }

  private static ModelFacts facts(WeightSource weights) {
    ModelConfig c = weights.config();
    return new ModelFacts(
        c.name(),
        c.architecture(),
        c.parameters(),
        c.nLayers(),
        c.hiddenSize(),
        c.intermediateSize(),
        c.nHeads(),
        c.nKvHeads(),
        c.headDim(),
        c.vocabSize(),
        weights.kind());
  }
}
