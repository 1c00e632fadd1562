package assay.measure;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.Backend;
import assay.backend.cuda.StandIn;
import assay.backend.reference.ReferenceBackend;
import assay.checkpoint.RandomWeights;
import assay.engine.CopiedWeights;
import assay.engine.Session;
import assay.engine.SessionOptions;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.TensorSpec;
import assay.model.WeightLayout;
import assay.model.WeightSource;
import assay.results.Check;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Random weights that the device makes by cuRAND, as for models too large to be checked whole, with
 * that limit lowered to nothing; on the stand-in, whose numbers are others than cuRAND's.
 */
class OwnGeneratorStandInTest {
  private static final long NONE_WHOLE = 0;

  /** More layers than a slice, a fused q|k|v, a vocabulary that a slice cuts. */
  private static final ModelConfig MODEL =
      ModelConfig.builder("large", "llama")
          .size(3, 64, 96)
          .heads(4, 2, 16)
          .tokens(4099, 64)
          .build();

  private static float[] rows(WeightSource source, TensorSpec spec, int first, int count) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(4L * count * spec.columns(), 64);
      source.read(spec, first, count, DType.F32, out);
      return out.toArray(ValueLayout.JAVA_FLOAT);
    }
  }

  private static List<float[]> onDevice(WeightSource source, List<TensorSpec> specs) {
    try (Backend device = StandIn.open();
        Session s = Session.open(device, source, SessionOptions.of(Precision.FP32, 1, 8));
        CopiedWeights copy = s.copyOwnWeights(source)) {
      assertFalse(copy.isEmpty());
      return specs.stream().map(t -> rows(copy, t, 0, first(t))).toList();
    }
  }

  private static List<TensorSpec> specs(ModelConfig c) {
    return WeightLayout.of(c).stream().filter(s -> s.layer() < 2).toList();
  }

  @Test
  void theSameSeedMakesTheSameWeightsOfAModelAndOfItsSlice() {
    List<TensorSpec> specs = specs(MODEL);
    RandomWeights whole = new RandomWeights(MODEL, 7, NONE_WHOLE);
    List<float[]> first = onDevice(whole, specs);
    List<float[]> again = onDevice(new RandomWeights(MODEL, 7, NONE_WHOLE), specs);
    SlicedWeights slice = new SlicedWeights(whole, 2, 80);
    List<float[]> sliced = onDevice(slice, specs(slice.config()));
    List<float[]> other = onDevice(new RandomWeights(MODEL, 8, NONE_WHOLE), specs);
    List<float[]> hosts = specs.stream().map(s -> rows(whole, s, 0, first(s))).toList();
    for (int i = 0; i < specs.size(); i++) {
      TensorSpec spec = specs.get(i);
      assertArrayEquals(first.get(i), again.get(i), spec.toString());
      assertArrayEquals(first.get(i), sliced.get(i), spec + " of the slice");
      boolean made = spec.role().isMatrix();
      assertFalse(java.util.Arrays.equals(first.get(i), other.get(i)), spec + ", seed 8");
      assertEquals(made, !java.util.Arrays.equals(first.get(i), hosts.get(i)), spec + ", host");
      if (made) {
        moments(first.get(i), spec);
      }
    }
  }

  private static int first(TensorSpec s) {
    return (int) Math.min(s.rows(), 64);
  }

  /** Mean 0 and deviation 1/√columns, to four deviations of what so many elements can tell. */
  private static void moments(float[] x, TensorSpec spec) {
    double deviation = 1 / Math.sqrt((double) spec.columns());
    double sum = 0;
    double squares = 0;
    for (float v : x) {
      sum += v;
      squares += (double) v * v;
      assertTrue(Math.abs(v) <= deviation * Math.sqrt(3) * (1 + 0x1p-20), spec + " " + v);
    }
    assertEquals(0, sum / x.length / deviation, 4 / Math.sqrt(x.length), spec + " mean");
    // The variance of a uniform's square is 4/5 of its mean squared.
    double off = 4 * Math.sqrt(0.8 / x.length);
    assertEquals(1, squares / x.length / deviation / deviation, off, spec + " variance");
  }

  /** In every precision: the reference runs on what was copied back, and agrees. */
  @ParameterizedTest
  @EnumSource(names = {"FP32", "BF16", "FP8", "INT8", "INT4"})
  void theReferenceRunsOnTheDevicesOwn(Precision p) {
    RandomWeights weights = new RandomWeights(MODEL, 7, NONE_WHOLE);
    try (Backend device = StandIn.open();
        Backend judge = new ReferenceBackend()) {
      SessionOptions options = SessionOptions.of(p, 1, 16);
      Check check = new LogitsCheck(device, judge, NONE_WHOLE).run(weights, options, () -> false);
      assertTrue(check.passed(), LogitsCheck.describe(check));
      assertTrue(check.error() > 0, "the sums do differ");
      assertEquals(
          "logits of 1 × 10 tokens, on the first 2 layers and 4096 rows of the vocabulary, weights"
              + " made by cuRAND and copied back from the device",
          check.what());
      assertEquals(0, device.liveBytes());
    }
    assertEquals(0, StandIn.liveBytes());
  }

  /** Smaller models keep the host's bits, and nothing is copied. */
  @Test
  void smallModelsKeepTheHostsBits() {
    RandomWeights weights = new RandomWeights(MODEL, 7);
    try (Backend device = StandIn.open();
        Session s = Session.open(device, weights, SessionOptions.of(Precision.BF16, 1, 8));
        CopiedWeights copy = s.copyOwnWeights(weights)) {
      assertTrue(copy.isEmpty());
    }
  }
}
