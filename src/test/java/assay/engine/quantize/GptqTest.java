package assay.engine.quantize;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.Backend;
import assay.backend.reference.ReferenceBackend;
import assay.checkpoint.RandomWeights;
import assay.engine.Session;
import assay.engine.SessionOptions;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.TensorSpec;
import assay.model.WeightLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Layer-wise rounding against plain rounding, and pruning. */
class GptqTest {
  /** Inputs with strong correlations, as activations have: moments of a few shared directions. */
  private static double[][] moments(int n, Random random) {
    double[][] h = new double[n][n];
    double[][] directions = new double[6][n];
    for (double[] d : directions) {
      for (int i = 0; i < n; i++) {
        d[i] = random.nextGaussian();
      }
    }
    for (int sample = 0; sample < 4 * n; sample++) {
      double[] x = new double[n];
      for (double[] d : directions) {
        double a = random.nextGaussian();
        for (int i = 0; i < n; i++) {
          x[i] += a * d[i];
        }
      }
      for (int i = 0; i < n; i++) {
        x[i] += 0.3 * random.nextGaussian();
        for (int j = 0; j <= i; j++) {
          h[i][j] += x[i] * x[j];
        }
      }
    }
    return h;
  }

  @ParameterizedTest
  @EnumSource(names = {"Q4_0", "Q8_0"})
  void losesLessThanPlainRoundingOnCorrelatedInputs(DType type) {
    Random random = new Random(4);
    int n = 77;
    double[][] h = moments(n, random);
    Gptq gptq = new Gptq(type, h);
    double layerwise = 0;
    double plain = 0;
    try (Arena arena = Arena.ofConfined()) {
      for (int r = 0; r < 40; r++) {
        double[] row = random.doubles(n, -1, 1).toArray();
        MemorySegment out = arena.allocate(type.rowBytes(n));
        gptq.quantizeRow(row.clone(), out, 0);
        layerwise += Gptq.outputError(row, type, out, 0, h);
        plain += Gptq.outputError(row, type, Gptq.plain(type, row, arena), 0, h);
      }
    }
    assertTrue(layerwise < 0.6 * plain, layerwise + " against " + plain);
  }

  @Test
  void outputErrorIsTheQuadraticForm() {
    double[][] h = {{2, 0}, {0.5, 3}};
    double[] row = {1, -2};
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment zeros = arena.allocate(DType.Q8_0.rowBytes(2));
      assertEquals(2 * 1 + 3 * 4 + 2 * 0.5 * -2, Gptq.outputError(row, DType.Q8_0, zeros, 0, h));
    }
  }

  private static ModelConfig config() {
    return ModelConfig.builder("small", "llama")
        .size(2, 32, 44)
        .heads(4, 2, 8)
        .tokens(60, 64)
        .build();
  }

  @Test
  void aWholeModelIsRoundedFromItsOwnInputs() {
    int[] ids = new Random(3).ints(60, 0, 60).toArray();
    try (Backend backend = new ReferenceBackend();
        RandomWeights weights = new RandomWeights(config(), 2);
        Session session =
            Session.open(backend, weights, SessionOptions.of(Precision.FP32, 1, 60))) {
      InputMoments moments = new InputMoments(session);
      session.start(new int[][] {ids});
      session.observePrefill(moments);
      assertEquals(60, moments.rows());
      try (GptqWeights rounded = new GptqWeights(weights, DType.Q4_0, moments, share -> {})) {
        assertTrue(rounded.errorOverPlainRounding() < 1, "" + rounded.errorOverPlainRounding());
        try (Session small =
            Session.open(backend, rounded, SessionOptions.of(Precision.INT4, 1, 60))) {
          small.start(new int[][] {ids});
          small.enqueuePrefill();
          assertEquals(1, small.generated()[0].length);
        }
      }
    }
  }

  @Test
  void pruningDropsTheSmallestOfEachMatrix() {
    try (RandomWeights weights = new RandomWeights(config(), 2);
        PrunedWeights pruned = new PrunedWeights(weights, 0.25);
        Arena arena = Arena.ofConfined()) {
      for (TensorSpec t : WeightLayout.of(config())) {
        MemorySegment out = arena.allocate(4 * t.elements());
        pruned.read(t, 0, Math.toIntExact(t.rows()), DType.F32, out);
        long zeros = 0;
        for (float v : out.toArray(ValueLayout.JAVA_FLOAT)) {
          zeros += v == 0 ? 1 : 0;
        }
        boolean linear = t.role().isMatrix() && t.layer() >= 0;
        if (linear) {
          assertTrue(zeros >= t.elements() / 4 && zeros <= t.elements() / 4 + 2, t + " " + zeros);
        } else {
          assertTrue(zeros < t.elements() / 100 + 1, t + " " + zeros);
        }
      }
    }
  }
}
