package assay.measure.compare;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.Backend;
import assay.backend.reference.ReferenceBackend;
import assay.checkpoint.RandomWeights;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.UserError;
import assay.results.Comparison;
import assay.results.Environment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;

class PrecisionComparisonTest {
  @Test
  void everyPositionIsJudgedOnce() {
    for (int stride : new int[] {1, 3, 8}) {
      int[] ids = new Random(1).ints(37, 0, 50).toArray();
      List<Windows.Window> windows = new Windows(ids, 8, stride).all();
      List<Integer> next = new ArrayList<>();
      int number = 0;
      for (Windows.Window w : windows) {
        assertTrue(number == 0 || w.firstJudged() >= 8 - stride, "context of " + w.firstJudged());
        for (int i = w.firstJudged(); i < w.ids().length; i++) {
          if (w.nextIds()[i] >= 0) {
            next.add(w.nextIds()[i]);
          }
        }
        number++;
      }
      List<Integer> expected = new ArrayList<>();
      for (int i = 1; i < ids.length; i++) {
        expected.add(ids[i]);
      }
      assertEquals(expected, next, "stride " + stride);
    }
  }

  @Test
  void klOfTwoKnownDistributions() {
    float[] p = {(float) Math.log(0.5), (float) Math.log(0.25), (float) Math.log(0.25)};
    float[] q = {(float) Math.log(0.25) + 3, (float) Math.log(0.5) + 3, (float) Math.log(0.25) + 3};
    Judgement.Pair pair = Judgement.compare(p, q, 0, 3, 1);
    assertEquals(0.5 * Math.log(2) - 0.25 * Math.log(2), pair.kl(), 1e-6);
    assertEquals(Math.log(0.5), pair.logProbabilityOfNext(), 1e-6);
    Assertions.assertFalse(pair.sameTop());
    assertEquals(0, Judgement.compare(p, p, 0, 3, 0).kl(), 1e-12);
  }

  private static Map<String, Comparison> run(List<PrecisionComparison.Variant> variants) {
    ModelConfig config =
        ModelConfig.builder("small", "llama")
            .size(3, 64, 96)
            .heads(4, 2, 16)
            .tokens(80, 128)
            .build();
    int[] text = new Random(5).ints(90, 0, 80).toArray();
    Environment here =
        new Environment(
            "reference",
            "test",
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            null);
    Map<String, Comparison> out = new HashMap<>();
    try (Backend backend = new ReferenceBackend();
        RandomWeights weights = new RandomWeights(config, 1)) {
      new PrecisionComparison(
              backend,
              here,
              new PrecisionComparison.Setting(text, 32, 16, false, "a command"),
              () -> false,
              (what, share) -> {})
          .run(weights, Precision.FP32, variants, c -> out.put(c.variant(), c));
      assertEquals(0, backend.liveBytes());
    }
    return out;
  }

  @Test
  void lessBitsSayLessAndTakeLess() {
    int[] calibration = new Random(6).ints(120, 0, 80).toArray();
    Map<String, Comparison> c =
        run(
            List.of(
                PrecisionComparison.Variant.of(Precision.FP32),
                PrecisionComparison.Variant.of(Precision.BF16),
                PrecisionComparison.Variant.of(Precision.INT8),
                PrecisionComparison.Variant.of(Precision.INT4),
                new PrecisionComparison.Variant("gptq", Precision.INT4, calibration, 0, null),
                new PrecisionComparison.Variant("pruned", Precision.FP32, null, 0.5, null)));
    Comparison same = assertNotNull2(c.get("fp32"));
    assertEquals(0, same.klMeanNats(), 1e-12);
    assertEquals(1, same.top1Agreement());
    assertEquals(0, same.worstLayerError());
    Comparison int8 = assertNotNull2(c.get("int8"));
    Comparison int4 = assertNotNull2(c.get("int4"));
    assertTrue(int8.klMeanNats() > 0 && int8.klMeanNats() < int4.klMeanNats());
    assertTrue(int8.klP99Nats() >= int8.klMeanNats());
    assertTrue(int4.weightsBytes() < int8.weightsBytes());
    assertEquals(int4.predictedWeightsBytes(), int4.weightsBytes());
    assertEquals(89, int4.tokens());
    assertTrue(int4.worstLayerError() > int8.worstLayerError());
    assertTrue(assertNotNull2(c.get("pruned")).exactZeroFraction() > 0.3);
    assertEquals(int4.weightsBytes(), assertNotNull2(c.get("gptq")).weightsBytes());
    assertTrue(assertNotNull2(c.get("gptq")).klMeanNats() < 2 * int4.klMeanNats());
    assertTrue(assertNotNull2(c.get("bf16")).klMeanNats() < int8.klMeanNats());
  }

  private static Comparison assertNotNull2(Comparison c) {
    assertNotNull(c);
    return c;
  }

  @Test
  void nonsenseIsRefused() {
    Assertions.assertThrows(UserError.class, () -> new Windows(new int[5], 1, 1));
    Assertions.assertThrows(UserError.class, () -> new Windows(new int[5], 4, 5));
    Assertions.assertThrows(UserError.class, () -> new Windows(new int[1], 4, 2));
  }
}
