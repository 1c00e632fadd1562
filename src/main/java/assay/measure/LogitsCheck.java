package assay.measure;

import assay.backend.Backend;
import assay.engine.CopiedWeights;
import assay.engine.PassObserver;
import assay.engine.Session;
import assay.engine.SessionOptions;
import assay.model.ModelConfig;
import assay.model.RandomStream;
import assay.model.TensorSpec;
import assay.model.WeightLayout;
import assay.model.WeightSource;
import assay.results.Check;
import assay.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * A back end's logits against the reference's on a few tokens, before anything is timed: a chunk of
 * several tokens as prefill takes it, then one more token through the cache as decode takes it.
 *
 * <p>Weights are stored identically on both sides, so only arithmetic differs. What arithmetic may
 * do is found by running the reference a second time with the device's rounding errors added at
 * random ({@link RoundingNoiseBackend}); {@link #MARGIN} times the distance that this moves the
 * logits is allowed, over all logits in the root mean square and for the worst single one.
 */
public final class LogitsCheck {
  /** Models with more parameters are checked on fewer tokens. */
  private static final long SMALL_PARAMETERS = 60_000_000L;

  /** GPUs multiply up to 8 rows by kernels of their own: one more also tries the library. */
  private static final int FEW_ON_A_GPU = 10;

  private static final int SLICE_LAYERS = 2;
  private static final int SLICE_VOCABULARY = 4096;
  private static final int MOST_SEQUENCES = 3;

  /**
   * The disturbed reference is one draw of a random error and the device's error another, of a size
   * that is only estimated: 4 leaves room for both and is far below any mistake.
   */
  static final double MARGIN = 4;

  private static final long SEED = 20_260_131;

  private final Backend device;
  private final Backend reference;
  private final long wholeParameters;

  /** Compares {@code device} with {@code reference}. */
  public LogitsCheck(Backend device, Backend reference) {
    this(device, reference, RandomStream.WHOLE_PARAMETERS);
  }

  /**
   * The same.
   *
   * @param wholeParameters models with more are checked on a slice: the reference takes seconds for
   *     these
   */
  LogitsCheck(Backend device, Backend reference, long wholeParameters) {
    this.device = device;
    this.reference = reference;
    this.wholeParameters = wholeParameters;
  }

  /**
   * Runs the check.
   *
   * @param options of the session that is to be measured: precision, cache type, batch, mask
   */
  public Check run(WeightSource source, SessionOptions options, StopSignal stop) {
    boolean sliced = source.config().parameters() > wholeParameters;
    WeightSource weights =
        sliced ? new SlicedWeights(source, SLICE_LAYERS, SLICE_VOCABULARY) : source;
    ModelConfig c = weights.config();
    int few = device.sharesHostMemory() ? 5 : FEW_ON_A_GPU;
    int wanted = sliced || c.parameters() > SMALL_PARAMETERS ? few : Math.max(9, few);
    int tokens = Math.min(wanted, c.maxSeqLen());
    int batch = sequences(options);
    SessionOptions small = options.withShape(batch, tokens, Math.max(1, tokens - 1));
    int[][] prompts = prompts(c, batch, tokens);

    Session session = Session.open(device, weights, small);
    try (CopiedWeights judged = copy(session, weights)) {
      float[] actual;
      try (session) {
        actual = logits(session, prompts);
      }
      stop.check();
      float[] expected = logits(reference, judged, small, prompts);
      stop.check();
      long kvElements = 2L * batch * tokens * c.kvDim() * c.nLayers();
      Backend noisy =
          new RoundingNoiseBackend(reference, device, c, small.precision(), kvElements, SEED);
      float[] disturbed = logits(noisy, judged, small, prompts);
      stop.check();

      String what =
          "logits of %d × %d tokens%s%s"
              .formatted(
                  batch,
                  tokens,
                  sliced
                      ? ", on the first %d layers and %d rows of the vocabulary"
                          .formatted(c.nLayers(), c.vocabSize())
                      : "",
                  generator(weights));
      return compare(what, c.vocabSize(), expected, actual, disturbed);
    }
  }

  /** What only the device can tell of its weights; frees the session where that fails. */
  private static CopiedWeights copy(Session session, WeightSource weights) {
    try {
      return session.copyOwnWeights(weights);
    } catch (Throwable t) {
      session.close();
      throw t;
    }
  }

  /** Where weights come from that the device may make as it likes, in words. */
  private String generator(WeightSource weights) {
    TensorSpec any =
        WeightLayout.of(weights.config()).stream()
            .filter(s -> s.role().isMatrix())
            .findFirst()
            .orElseThrow();
    RandomStream stream = weights.randomStream(any).orElse(null);
    if (stream == null || !stream.anyGenerator() || device.sharesHostMemory()) {
      return "";
    }
    return device
        .ownGenerator(stream)
        .map(name -> ", weights made by " + name + " and copied back from the device")
        .orElse(", weights of the host's generator: the device has none of its own");
  }

  /** Sequences that are checked for a session. */
  static int sequences(SessionOptions options) {
    return Math.min(options.batch(), MOST_SEQUENCES);
  }

  private static int[][] prompts(ModelConfig c, int batch, int tokens) {
    SplittableRandom random = new SplittableRandom(SEED);
    int[][] out = new int[batch][tokens];
    for (int[] prompt : out) {
      for (int t = 0; t < tokens; t++) {
        prompt[t] = random.nextInt(c.vocabSize());
      }
    }
    return out;
  }

  private static float[] logits(
      Backend backend, WeightSource weights, SessionOptions options, int[][] prompts) {
    try (Session session = Session.open(backend, weights, options)) {
      return logits(session, prompts);
    }
  }

  private static float[] logits(Session session, int[][] prompts) {
    List<float[]> parts = new ArrayList<>();
    session.start(prompts);
    session.observePrefill(
        new PassObserver() {
          @Override
          public void logits(int firstRow, Tensor normed, Tensor logits) {
            parts.add(TensorValues.read(session.backend(), logits));
          }
        });
    float[] out = new float[parts.stream().mapToInt(p -> p.length).sum()];
    int at = 0;
    for (float[] part : parts) {
      System.arraycopy(part, 0, out, at, part.length);
      at += part.length;
    }
    return out;
  }

  /** The verdict; a value that is not finite fails. */
  static Check compare(
      String what, int vocabulary, float[] expected, float[] actual, float[] disturbed) {
    if (actual.length != expected.length || disturbed.length != expected.length) {
      throw new IllegalArgumentException("unequal numbers of logits");
    }
    double squares = 0;
    double error = 0;
    double noise = 0;
    double worst = -1;
    int at = 0;
    for (int i = 0; i < expected.length; i++) {
      double d = Math.abs((double) actual[i] - expected[i]);
      if (!Double.isFinite(d)) {
        return notFinite(what, vocabulary, expected, actual, i);
      }
      squares += (double) expected[i] * expected[i];
      error += d * d;
      double n = (double) disturbed[i] - expected[i];
      noise += n * n;
      if (d > worst) {
        worst = d;
        at = i;
      }
    }
    double size = Math.sqrt(squares / expected.length);
    double relative = error == 0 ? 0 : Math.sqrt(error / squares);
    double tolerance = MARGIN * Math.sqrt(noise / squares);
    // The largest of n normal numbers is about √(2 ln n) deviations.
    double worstAllowed = tolerance * size * Math.sqrt(2 * Math.log(expected.length + 1.0));
    boolean passed = relative <= tolerance && worst <= worstAllowed;
    String worstInWords =
        "row %d id %d: %s for %s, %.3g apart, %.3g allowed"
            .formatted(
                at / vocabulary, at % vocabulary, actual[at], expected[at], worst, worstAllowed);
    return new Check(passed, what, finite(relative), finite(tolerance), worstInWords);
  }

  private static @Nullable Double finite(double value) {
    return Double.isFinite(value) ? value : null;
  }

  private static Check notFinite(
      String what, int vocabulary, float[] expected, float[] actual, int i) {
    String why =
        Float.isFinite(expected[i])
            ? ""
            : "; the reference's own logits are not finite: the weights are not, or overflow";
    return new Check(
        false,
        what,
        null,
        null,
        "row %d id %d: %s for %s%s"
            .formatted(i / vocabulary, i % vocabulary, actual[i], expected[i], why));
  }

  /** One line about a check that failed. */
  public static String describe(Check check) {
    String size =
        check.error() == null
            ? "not finite"
            : String.format(
                Locale.ROOT, "error %.3g, allowed %.3g", check.error(), check.tolerance());
    return "%s differ from the reference: %s (%s)".formatted(check.what(), size, check.worst());
  }
}
