package assay.measure;

import static org.junit.jupiter.api.Assertions.assertEquals;

import assay.backend.Backend;
import assay.backend.reference.ReferenceBackend;
import assay.cost.MemoryKind;
import assay.engine.MemoryPlan;
import assay.engine.Session;
import assay.estimate.Constants;
import assay.estimate.Device;
import assay.estimate.DeviceKind;
import assay.estimate.Estimator;
import assay.estimate.InferenceEstimate;
import assay.estimate.InferenceRequest;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.WeightSource;
import assay.model.Workload;
import assay.tensor.MemoryCategory;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Prediction and measurement share no code that counts; that they agree to the last FLOP and byte
 * says that both are right, or wrong in the same way.
 */
class CountsAgreementTest {
  private static final List<Workload> WORKLOADS =
      List.of(new Workload(1, 1, 2), new Workload(1, 13, 5), new Workload(3, 20, 3));

  static List<ModelConfig> models() {
    return SmallModels.all();
  }

  @ParameterizedTest
  @MethodSource("models")
  void flopsAndBytesAgree(ModelConfig c) {
    for (Precision p : List.of(Precision.FP32, Precision.BF16, Precision.INT4)) {
      for (Workload w : WORKLOADS) {
        compare(SmallModels.weights(c), p, w);
      }
    }
  }

  /** Unmerged adapters cost what is predicted, in FLOPs and to the byte. */
  @ParameterizedTest
  @MethodSource("models")
  void flopsAndBytesOfAdaptersAgree(ModelConfig c) {
    for (Precision p : List.of(Precision.FP32, Precision.BF16, Precision.INT4)) {
      compare(new RandomAdapter.Beside(SmallModels.weights(c), 3), p, new Workload(3, 20, 3));
    }
  }

  private static void compare(WeightSource weights, Precision p, Workload w) {
    ModelConfig c = weights.config();
    String what = c.name() + " " + p.label() + " " + w;
    InferenceEstimate estimate =
        Estimator.inference(
            // The reference, whose session this is compared with, needs no scratch memory.
            InferenceRequest.of(c, p, w, DeviceKind.CPU)
                .withScratch(0)
                .withAdapter(weights.adapter() == null ? null : weights.adapter().shape()),
            Device.unknown("any", DeviceKind.CPU),
            Constants.defaults(DeviceKind.CPU));
    try (Backend backend = new ReferenceBackend()) {
      CountingBackend counting = new CountingBackend(backend);
      try (Session s = Session.open(counting, weights, InferenceMeter.sessionFor(p, w))) {
        s.start(prompts(c, w));
        counting.start();
        s.enqueuePrefill();
        OpCounts prefill = CountingBackend.sum(counting.stop());
        counting.start();
        for (int i = 0; i < w.decodePasses(); i++) {
          s.enqueueDecode();
        }
        OpCounts decode = CountingBackend.sum(counting.stop());
        assertEquals(estimate.prefill().flops(), prefill.flops(), what + " prefill FLOPs");
        assertEquals(estimate.decode().flops(), decode.flops(), what + " decode FLOPs");
        assertEquals(
            estimate.prefill().kvReadBytes(), prefill.kvReadBytes(), what + " prefill KV read");
        assertEquals(
            estimate.decode().kvReadBytes(), decode.kvReadBytes(), what + " decode KV read");
        memory(what, estimate, s.memory());
      }
    }
  }

  private static void memory(String what, InferenceEstimate estimate, MemoryPlan measured) {
    for (MemoryCategory category :
        List.of(
            MemoryCategory.WEIGHTS,
            MemoryCategory.KV_CACHE,
            MemoryCategory.ACTIVATIONS,
            MemoryCategory.WORKSPACE)) {
      assertEquals(
          estimate.bytes(MemoryKind.valueOf(category.name())),
          measured.tensorBytes().get(category),
          what + " " + category);
    }
    assertEquals(estimate.totalBytes(), measured.totalReservedBytes(), what + " with padding");
  }

  private static int[][] prompts(ModelConfig c, Workload w) {
    SplittableRandom random = new SplittableRandom(3);
    int[][] out = new int[w.batch()][w.promptTokens()];
    for (int[] prompt : out) {
      for (int t = 0; t < prompt.length; t++) {
        prompt[t] = random.nextInt(c.vocabSize());
      }
    }
    return out;
  }
}
