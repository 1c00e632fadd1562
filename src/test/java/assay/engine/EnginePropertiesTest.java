package assay.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.Backend;
import assay.backend.SamplingSpec;
import assay.backend.reference.ReferenceBackend;
import assay.checkpoint.RandomWeights;
import assay.model.ModelConfig;
import assay.model.PositionKind;
import assay.model.Precision;
import assay.model.UserError;
import assay.tensor.Tensor;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** What must hold for any model: causality, batches, masks, padding, limits. */
class EnginePropertiesTest {
  private static final int VOCABULARY = 97;

  private static ModelConfig config() {
    return ModelConfig.builder("small", "llama")
        .size(2, 32, 48)
        .heads(4, 2, 8)
        .tokens(VOCABULARY, 64)
        .build();
  }

  private static int[] ids(long seed, int n) {
    return new Random(seed).ints(n, 0, VOCABULARY).toArray();
  }

  /** Logits of every position of one sequence. */
  private static float[] logits(
      ModelConfig config, int[] ids, boolean causal, byte[] mask, AttentionPath path) {
    try (Backend backend = new ReferenceBackend();
        RandomWeights weights = new RandomWeights(config, 5)) {
      SessionOptions options =
          SessionOptions.of(Precision.FP32, 1, ids.length)
              .withLogitRows(ids.length)
              .withCausal(causal)
              .withAttention(path);
      try (Session s = Session.open(backend, weights, options, mask, done -> {})) {
        s.start(new int[][] {ids});
        float[][] out = new float[1][];
        s.observePrefill(
            new PassObserver() {
              @Override
              public void logits(int firstRow, Tensor normed, Tensor logits) {
                out[0] = s.readFloats(logits);
              }
            });
        return out[0];
      }
    }
  }

  @Test
  void aLaterTokenChangesNoEarlierLogit() {
    int[] a = ids(1, 20);
    int[] b = a.clone();
    b[15] = (b[15] + 1) % VOCABULARY;
    for (AttentionPath path : AttentionPath.values()) {
      float[] before = logits(config(), a, true, null, path);
      float[] after = logits(config(), b, true, null, path);
      assertEquals(
          -1,
          java.util.Arrays.mismatch(
              java.util.Arrays.copyOf(before, 15 * VOCABULARY),
              java.util.Arrays.copyOf(after, 15 * VOCABULARY)));
      assertFalse(
          java.util.Arrays.equals(
              java.util.Arrays.copyOfRange(before, 15 * VOCABULARY, 20 * VOCABULARY),
              java.util.Arrays.copyOfRange(after, 15 * VOCABULARY, 20 * VOCABULARY)));
    }
  }

  @Test
  void aTriangularMatrixIsTheCausalMask() {
    int[] a = ids(1, 20);
    byte[] triangle = new byte[400];
    for (int i = 0; i < 20; i++) {
      java.util.Arrays.fill(triangle, i * 20, i * 20 + i + 1, (byte) 1);
    }
    assertArrayEquals(
        logits(config(), a, true, null, AttentionPath.TILED),
        logits(config(), a, false, triangle, AttentionPath.TILED));
  }

  @Test
  void withoutACausalMaskEarlierTokensSeeLaterOnes() {
    int[] a = ids(1, 20);
    int[] b = a.clone();
    b[19] = (b[19] + 1) % VOCABULARY;
    assertFalse(
        java.util.Arrays.equals(
            java.util.Arrays.copyOf(
                logits(config(), a, false, null, AttentionPath.TILED), VOCABULARY),
            java.util.Arrays.copyOf(
                logits(config(), b, false, null, AttentionPath.TILED), VOCABULARY)));
  }

  @Test
  void aWindowAsLongAsTheSequenceChangesNothingAShorterOneDoes() {
    int[] a = ids(2, 20);
    ModelConfig wide = config().toBuilder().window(20, 0).build();
    ModelConfig narrow = config().toBuilder().window(5, 0).build();
    ModelConfig onlySecond = config().toBuilder().window(5, 1).build();
    float[] plain = logits(config(), a, true, null, AttentionPath.TILED);
    assertArrayEquals(plain, logits(wide, a, true, null, AttentionPath.TILED));
    float[] both = logits(narrow, a, true, null, AttentionPath.TILED);
    float[] second = logits(onlySecond, a, true, null, AttentionPath.TILED);
    assertFalse(java.util.Arrays.equals(plain, both));
    assertFalse(java.util.Arrays.equals(second, both));
    assertFalse(java.util.Arrays.equals(second, plain));
  }

  @Test
  void storedScoresGiveTheSameLogits() {
    int[] a = ids(3, 30);
    for (PositionKind kind : PositionKind.values()) {
      ModelConfig c = config().toBuilder().positions(kind).build();
      Closeness.check(
          kind.toString(),
          logits(c, a, true, null, AttentionPath.STORED),
          logits(c, a, true, null, AttentionPath.TILED),
          1e-4,
          1e-5);
    }
  }

  @Test
  void randomWeightsAreTheSameInEveryOrder() {
    float[] a = logits(config(), ids(1, 5), true, null, AttentionPath.TILED);
    float[] b = logits(config(), ids(1, 5), true, null, AttentionPath.TILED);
    assertArrayEquals(a, b);
    for (float v : a) {
      assertTrue(Float.isFinite(v));
    }
  }

  @Test
  void sampledFrequenciesPassAChiSquareTest() {
    ModelConfig c = config().toBuilder().tokens(VOCABULARY, 4096).build();
    // The same prompt in every sequence of a batch: as many independent draws from one
    // distribution.
    int batch = 2000;
    int[][] prompts = new int[batch][];
    java.util.Arrays.fill(prompts, ids(9, 2));
    SamplingSpec spec = new SamplingSpec(0.8f, 36, 0.7f);
    int[] counts = new int[VOCABULARY];
    try (Backend backend = new ReferenceBackend();
        RandomWeights weights = new RandomWeights(c, 5)) {
      SessionOptions o = SessionOptions.of(Precision.FP32, batch, 2).withSampling(spec, 77);
      try (Session s = Session.open(backend, weights, o)) {
        s.start(prompts);
        s.enqueuePrefill();
        for (int[] g : s.generated()) {
          counts[g[0]]++;
        }
      }
    }
    double[] p = exact(logits(c, ids(9, 2), true, null, AttentionPath.TILED), spec);
    double chi = 0;
    int kept = 0;
    for (int i = 0; i < VOCABULARY; i++) {
      if (p[i] == 0) {
        assertEquals(0, counts[i], "token outside the kept set: " + i);
      } else {
        kept++;
        double expected = p[i] * batch;
        chi += (counts[i] - expected) * (counts[i] - expected) / expected;
      }
    }
    // Mean k−1 and variance 2(k−1): five standard deviations.
    assertTrue(kept > 3, "kept " + kept);
    assertTrue(
        chi < kept - 1 + 5 * Math.sqrt(2.0 * (kept - 1)), "chi-square " + chi + " of " + kept);
  }

  /** Claim I5 from its definition, on the last position's logits. */
  private static double[] exact(float[] all, SamplingSpec spec) {
    int n = VOCABULARY;
    int base = all.length - n;
    Integer[] order = new Integer[n];
    double[] p = new double[n];
    for (int i = 0; i < n; i++) {
      order[i] = i;
      p[i] = Math.exp(all[base + i] / spec.temperature());
    }
    java.util.Arrays.sort(order, (a, b) -> Double.compare(p[b], p[a]));
    double sum = 0;
    for (int i = 0; i < spec.topK(); i++) {
      sum += p[order[i]];
    }
    double[] out = new double[n];
    double cumulative = 0;
    double keptSum = 0;
    for (int i = 0; i < spec.topK() && cumulative <= spec.topP(); i++) {
      cumulative += p[order[i]] / sum;
      out[order[i]] = p[order[i]];
      keptSum += p[order[i]];
    }
    for (int i = 0; i < n; i++) {
      out[i] /= keptSum;
    }
    return out;
  }

  @Test
  void limitsAreSaidBeforeAnythingRuns() {
    try (Backend backend = new ReferenceBackend();
        RandomWeights weights = new RandomWeights(config(), 5)) {
      UserError tooLong =
          assertThrows(
              UserError.class,
              () -> Session.open(backend, weights, SessionOptions.of(Precision.FP32, 1, 65)));
      assertTrue(tooLong.getMessage().contains("65") && tooLong.getMessage().contains("64"));
      try (Session s = Session.open(backend, weights, SessionOptions.of(Precision.FP32, 1, 4))) {
        assertThrows(UserError.class, () -> s.start(new int[][] {{1, VOCABULARY}}));
        assertThrows(UserError.class, () -> s.start(new int[][] {{-1}}));
        assertThrows(UserError.class, () -> s.start(new int[][] {{}}));
        assertThrows(UserError.class, () -> s.start(new int[][] {{1}, {2}}));
        assertThrows(UserError.class, () -> s.start(new int[][] {{1, 2, 3, 4, 5}}));
        s.start(new int[][] {{1, 2, 3}});
        s.enqueuePrefill();
        s.enqueueDecode();
        assertThrows(UserError.class, s::enqueueDecode);
      }
      assertEquals(0, backend.liveBytes());
    }
  }

  @Test
  void whatDoesNotFitIsRefusedBeforeAllocating() {
    ModelConfig huge =
        ModelConfig.builder("huge", "llama")
            .size(4000, 8192, 28_672)
            .heads(64, 8, 128)
            .tokens(128_256, 8192)
            .build();
    try (Backend backend = new ReferenceBackend();
        RandomWeights weights = new RandomWeights(huge, 5)) {
      UserError e =
          assertThrows(
              UserError.class,
              () -> Session.open(backend, weights, SessionOptions.of(Precision.FP32, 1, 8)));
      assertEquals(3, e.exitCode());
      assertEquals(0, backend.liveBytes());
      assertTrue(
          e.getMessage().matches(".*: \\d{14} bytes are needed, \\d+ of \\d+ are free"),
          e.getMessage());
    }
  }
}
