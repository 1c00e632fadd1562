package assay.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import assay.backend.Backend;
import assay.checkpoint.SafetensorsFile;
import assay.checkpoint.SafetensorsModel;
import assay.model.Precision;
import assay.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every golden model on a back end: logits and hidden states at once, in chunks and token by token,
 * batch 1 and 2, greedy ids.
 */
public abstract class AbstractGoldenTest {
  private static final double MAX_ABSOLUTE = 1e-4;
  private static final double MAX_RELATIVE_L2 = 1e-5;

  /** A fresh back end. */
  protected abstract Backend backend();

  static List<Golden> models() {
    return Golden.all();
  }

  /** Those for the tests that make hundreds of passes; a slow back end hides it with fewer. */
  static List<Golden> modelsInManyPasses() {
    return Golden.all();
  }

  /**
   * All logits of a prefill, [batch][tokens · vocabulary], and the residual streams of sequence 0.
   */
  private static final class Collected implements PassObserver {
    private final Session session;
    private final int batch;
    private final List<List<float[]>> logits = new ArrayList<>();
    private final Map<String, List<float[]>> hidden = new TreeMap<>();

    Collected(Session session) {
      this.session = session;
      this.batch = session.options().batch();
      for (int b = 0; b < batch; b++) {
        logits.add(new ArrayList<>());
      }
    }

    private int passRows;

    @Override
    public void residual(int layer, Tensor residual) {
      passRows = residual.rows();
      String name = layer < 0 ? "embedding" : "block_" + layer;
      hidden
          .computeIfAbsent(name, k -> new ArrayList<>())
          .add(session.readFloats(residual.rows(0, residual.rows() / batch)));
    }

    @Override
    public void logits(int firstRow, Tensor normed, Tensor logits) {
      int vocabulary = logits.columns();
      float[] all = session.readFloats(logits);
      for (int r = 0; r < logits.rows(); r++) {
        int sequence = (firstRow + r) / (passRows / batch);
        this.logits
            .get(sequence)
            .add(java.util.Arrays.copyOfRange(all, r * vocabulary, (r + 1) * vocabulary));
        if (sequence == 0) {
          hidden
              .computeIfAbsent("final_norm", k -> new ArrayList<>())
              .add(session.readFloats(normed.rows(r, 1)));
        }
      }
    }

    float[] allLogits() {
      List<float[]> rows = new ArrayList<>();
      logits.forEach(rows::addAll);
      return concatenated(rows);
    }
  }

  private static float[] concatenated(List<float[]> parts) {
    float[] out = new float[parts.stream().mapToInt(p -> p.length).sum()];
    int at = 0;
    for (float[] p : parts) {
      System.arraycopy(p, 0, out, at, p.length);
      at += p.length;
    }
    return out;
  }

  private void prefill(Golden golden, int passTokens, int logitRows) {
    try (Backend backend = backend();
        SafetensorsModel model = SafetensorsModel.open(golden.folder());
        SafetensorsFile expected = golden.expected()) {
      int[][] ids = Golden.ids(expected, "input_ids");
      SessionOptions options =
          SessionOptions.of(Precision.FP32, ids.length, ids[0].length)
              .withMaxPassTokens(passTokens)
              .withLogitRows(logitRows);
      try (Session session = Session.open(backend, model, options)) {
        session.start(ids);
        Collected got = new Collected(session);
        session.observePrefill(got);
        Closeness.check(
            golden + " logits",
            got.allLogits(),
            Golden.floats(expected, "logits"),
            MAX_ABSOLUTE,
            MAX_RELATIVE_L2);
        assertEquals(model.config().nLayers() + 2, got.hidden.size());
        got.hidden.forEach(
            (name, rows) ->
                Closeness.check(
                    golden + " " + name,
                    concatenated(rows),
                    Golden.floats(expected, name),
                    MAX_ABSOLUTE,
                    MAX_RELATIVE_L2));
      }
      assertEquals(0, backend.liveBytes());
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void prefillAtOnce(Golden golden) {
    prefill(golden, 512, 80);
  }

  @ParameterizedTest
  @MethodSource("modelsInManyPasses")
  void prefillInChunks(Golden golden) {
    prefill(golden, 13, 7);
  }

  @ParameterizedTest
  @MethodSource("modelsInManyPasses")
  void tokenByToken(Golden golden) {
    prefill(golden, 1, 2);
  }

  @ParameterizedTest
  @MethodSource("models")
  void greedyContinuation(Golden golden) {
    try (Backend backend = backend();
        SafetensorsModel model = SafetensorsModel.open(golden.folder());
        SafetensorsFile expected = golden.expected()) {
      int[] prompt = Golden.ids(expected, "input_ids")[0];
      int[] greedy = Golden.ids(expected, "greedy_ids")[0];
      SessionOptions options =
          SessionOptions.of(Precision.FP32, 1, prompt.length + greedy.length - 1);
      try (Session session = Session.open(backend, model, options)) {
        session.start(new int[][] {prompt});
        for (boolean recorded : new boolean[] {false, true}) {
          session.rewind();
          session.enqueuePrefill();
          for (int i = 1; i < greedy.length; i++) {
            if (recorded) {
              session.enqueueRecordedDecode();
            } else {
              session.enqueueDecode();
            }
          }
          assertArrayEquals(greedy, session.generated()[0], golden + " recorded " + recorded);
        }
      }
    }
  }

  /** Both prompts, one cut short: each row of the padded batch must continue as it does alone. */
  @ParameterizedTest
  @MethodSource("modelsInManyPasses")
  void paddedBatchEqualsRows(Golden golden) {
    try (Backend backend = backend();
        SafetensorsModel model = SafetensorsModel.open(golden.folder());
        SafetensorsFile expected = golden.expected()) {
      int[][] ids = Golden.ids(expected, "input_ids");
      int[][] prompts = {ids[0], java.util.Arrays.copyOf(ids[1], 23)};
      int[][] together = generate(backend, model, prompts, 12);
      for (int b = 0; b < 2; b++) {
        int[][] alone = generate(backend, model, new int[][] {prompts[b]}, 12);
        assertArrayEquals(alone[0], together[b], golden + " sequence " + b);
      }
    }
  }

  private static int[][] generate(
      Backend backend, SafetensorsModel model, int[][] prompts, int tokens) {
    int longest = 0;
    for (int[] p : prompts) {
      longest = Math.max(longest, p.length);
    }
    SessionOptions options =
        SessionOptions.of(Precision.FP32, prompts.length, longest + tokens - 1);
    try (Session session = Session.open(backend, model, options)) {
      session.start(prompts);
      session.enqueuePrefill();
      for (int i = 1; i < tokens; i++) {
        session.enqueueDecode();
      }
      return session.generated();
    }
  }
}
