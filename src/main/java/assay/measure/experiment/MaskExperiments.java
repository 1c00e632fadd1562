package assay.measure.experiment;

import assay.backend.AttentionSpec;
import assay.backend.Backend;
import assay.checkpoint.RandomWeights;
import assay.engine.PassObserver;
import assay.engine.Session;
import assay.engine.SessionOptions;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.tensor.Tensor;
import java.util.Map;

/** I2 and I6: masks hide what they should, and nothing else. */
final class MaskExperiments {
  private static final int TOKENS = 5;
  private static final int WIDTH = 8;

  /** S0's example: 0/1 rows over three positions; the fourth row masks everything. */
  private static final int[][] EXAMPLE = {{1, 1, 0}, {1, 0, 0}, {1, 1, 1}, {0, 0, 0}, {1, 0, 1}};

  private MaskExperiments() {}

  /**
   * The example mask and causal, windowed and padded ones of the same size, tiled and stored,
   * against plain sums.
   */
  static Outcome masks(Backend backend) {
    double wrong = 0;
    double compared = 0;
    for (int kind = 0; kind < 4; kind++) {
      for (boolean stored : new boolean[] {false, true}) {
        wrong += wrongElements(backend, kind, stored);
        compared += TOKENS * WIDTH;
      }
    }
    return Outcome.of(
        "5 queries, one head of 8: S0's 5×3 matrix, causal, window of 2, two slots of padding;"
            + " tiled and stored; an element is wrong beyond 1e-5",
        Map.of("wrong_elements", wrong, "compared", compared));
  }

  private static boolean visible(int kind, int query, int key) {
    return switch (kind) {
      case 0 -> key < 3 && EXAMPLE[query][key] != 0;
      case 1 -> key <= query;
      case 2 -> key <= query && query - key < 2;
      default -> key <= query && key >= 2;
    };
  }

  private static int wrongElements(Backend backend, int kind, boolean stored) {
    float[] q = DeviceScratch.normal(1, TOKENS * WIDTH);
    float[] k = DeviceScratch.normal(2, TOKENS * WIDTH);
    float[] v = DeviceScratch.normal(3, TOKENS * WIDTH);
    AttentionSpec spec =
        new AttentionSpec(
            1, TOKENS, 1, 1, WIDTH, 0.5f, kind != 0, kind == 2 ? 2 : 0, false, TOKENS);
    try (DeviceScratch s = new DeviceScratch(backend, 1 << 20)) {
      DType type = backend.activationType(Precision.FP32);
      Tensor queries = s.floats(type, TOKENS, WIDTH, q);
      Tensor keys = s.floats(DType.F32, TOKENS, WIDTH, k);
      Tensor values = s.floats(DType.F32, TOKENS, WIDTH, v);
      Tensor out = s.floats(type, TOKENS, WIDTH, q);
      Tensor mask = kind == 0 ? s.bytes(TOKENS, TOKENS, matrix()) : null;
      var state = s.state(0, kind == 3 ? 2 : 0);
      if (stored) {
        Tensor scores = s.floats(DType.F32, TOKENS, TOKENS, new float[TOKENS * TOKENS]);
        backend.storedAttention(spec, queries, keys, values, state, mask, scores, out);
      } else {
        backend.attention(spec, queries, keys, values, state, mask, out);
      }
      float[] got = s.read(out);
      int wrong = 0;
      for (int i = 0; i < TOKENS; i++) {
        double[] expected = plain(kind, i, q, k, v);
        for (int d = 0; d < WIDTH; d++) {
          wrong += Math.abs(got[i * WIDTH + d] - expected[d]) <= 1e-5 ? 0 : 1;
        }
      }
      return wrong;
    }
  }

  private static byte[] matrix() {
    byte[] out = new byte[TOKENS * TOKENS];
    for (int i = 0; i < TOKENS; i++) {
      for (int j = 0; j < TOKENS; j++) {
        out[i * TOKENS + j] = (byte) (visible(0, i, j) ? 1 : 0);
      }
    }
    return out;
  }

  private static double[] plain(int kind, int query, float[] q, float[] k, float[] v) {
    double[] out = new double[WIDTH];
    double sum = 0;
    for (int j = 0; j < TOKENS; j++) {
      if (visible(kind, query, j)) {
        double score = 0;
        for (int d = 0; d < WIDTH; d++) {
          score += 0.5 * q[query * WIDTH + d] * k[j * WIDTH + d];
        }
        double weight = Math.exp(score);
        sum += weight;
        for (int d = 0; d < WIDTH; d++) {
          out[d] += weight * v[j * WIDTH + d];
        }
      }
    }
    for (int d = 0; d < WIDTH && sum > 0; d++) {
      out[d] /= sum;
    }
    return out;
  }

  /** Logits of a small model before and after a change of its last token. */
  static Outcome causality(Backend backend) {
    int[] ids = {5, 17, 3, 60, 41, 9, 22, 8, 30, 12, 55, 1};
    int[] other = ids.clone();
    other[9] = 13;
    float[] before = logits(backend, ids);
    float[] after = logits(backend, other);
    int vocabulary = before.length / ids.length;
    double changedEarlier = 0;
    double changedLater = 0;
    for (int i = 0; i < before.length; i++) {
      if (Float.floatToRawIntBits(before[i]) != Float.floatToRawIntBits(after[i])) {
        if (i / vocabulary < 9) {
          changedEarlier++;
        } else {
          changedLater++;
        }
      }
    }
    return Outcome.of(
        "2 layers, 12 tokens, the tenth changed, fp32",
        Map.of("changed_earlier_logits", changedEarlier, "changed_later_logits", changedLater));
  }

  static float[] logits(Backend backend, int[] ids) {
    ModelConfig config =
        ModelConfig.builder("causal", "llama")
            .size(2, 64, 96)
            .heads(4, 2, 16)
            .tokens(64, 64)
            .build();
    try (RandomWeights weights = new RandomWeights(config, 3)) {
      return ModelExperiments.logits(backend, weights, ids);
    }
  }

  /** Reads each block of logits into its place. */
  static final class AllLogits implements PassObserver {
    private final Session session;
    private final float[] all;

    AllLogits(Session session, int rows) {
      this.session = session;
      this.all = new float[rows * session.config().vocabSize()];
    }

    @Override
    public void logits(int firstRow, Tensor normed, Tensor logits) {
      float[] part = session.readFloats(logits);
      System.arraycopy(part, 0, all, firstRow * logits.columns(), part.length);
    }

    float[] all() {
      return all;
    }
  }

  static SessionOptions options(int tokens) {
    return SessionOptions.of(Precision.FP32, 1, tokens).withLogitRows(tokens);
  }
}
