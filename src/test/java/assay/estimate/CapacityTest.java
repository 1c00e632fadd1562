package assay.estimate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.cost.SessionSize;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.Presets;
import assay.model.Workload;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CapacityTest {
  private static final Constants K = Constants.defaults(DeviceKind.CUDA);

  private static InferenceRequest request(String model, Precision p, int batch, int context) {
    ModelConfig c = Presets.byName().get(model);
    assertNotNull(c);
    SessionSize size = SessionSize.of(p, DeviceKind.CUDA.activationType(p), batch, context);
    return new InferenceRequest(
        c,
        p,
        new Workload(batch, context, 1),
        size,
        Scratch.bytes(DeviceKind.CUDA, c, size, 1),
        null);
  }

  private static boolean fits(InferenceRequest r, int batch, int context, long memory) {
    long overhead = Math.round(K.value(Coefficient.OVERHEAD_BYTES, r.precision()));
    return Capacity.bytesPerDevice(r, batch, context, Parallelism.NONE) + overhead <= memory;
  }

  /** One more of anything does not fit. */
  @ParameterizedTest
  @CsvSource({"llama-2-7b, RTX 4090", "llama-3.1-8b, H100 SXM5", "qwen2.5-0.5b, T4"})
  void largestAreTight(String model, String card) {
    Device d = DeviceTable.builtIn().find(card);
    long memory = d.memoryBytes();
    InferenceRequest r = request(model, Precision.FP16, 1, 1024);
    Capacity c = Capacity.of(r, d, K);
    assertTrue(fits(r, c.largestBatch(), 1024, memory));
    assertTrue(!fits(r, c.largestBatch() + 1, 1024, memory));
    assertTrue(fits(r, 1, c.longestContext(), memory));
    assertTrue(
        c.longestContext() == r.config().maxSeqLen()
            || !fits(r, 1, c.longestContext() + 1, memory));
    assertEquals(1, c.fewestDevices());
  }

  /** 140 GB of weights need two cards of 80 GiB, and no batch fits one. */
  @Test
  void whatDoesNotFitIsSpread() {
    Device d = DeviceTable.builtIn().find("H100 SXM5");
    Capacity c = Capacity.of(request("llama-3.1-70b", Precision.BF16, 1, 4096), d, K);
    assertEquals(0, c.largestBatch());
    assertEquals(0, c.longestContext());
    assertEquals(2, c.fewestDevices());
  }

  @Test
  void unknownMemoryGivesNoAnswer() {
    Capacity c =
        Capacity.of(
            request("tiny", Precision.BF16, 1, 64), Device.unknown("x", DeviceKind.CUDA), K);
    assertNull(c.largestBatch());
    assertNull(c.fewestDevices());
  }

  /** Two devices hold half of the matrices, the cache and the wide activations each. */
  @Test
  void tensorParallelismSharesWhatIsWide() {
    InferenceRequest r = request("llama-2-7b", Precision.BF16, 4, 2048);
    long one = Capacity.bytesPerDevice(r, 4, 2048, Parallelism.NONE);
    long two = Capacity.bytesPerDevice(r, 4, 2048, new Parallelism(1, 0, 2, 1));
    long kept = 2L * 4 * 512 * 4096 * (4 + 2 + 2); // residual, normed, delta: whole on both
    assertEquals(one + kept / 2.0, 2.0 * two, 0.02 * one);
    assertTrue(two > one / 2);
  }

  @Test
  void headsLimitTheSpread() {
    ModelConfig c = Presets.byName().get("qwen2.5-0.5b"); // 14 heads, 2 key heads
    assertNotNull(c);
    assertEquals(new Parallelism(1, 0, 2, 1), Capacity.spread(c, 2));
    assertEquals(new Parallelism(1, 0, 1, 3), Capacity.spread(c, 3));
    assertEquals(new Parallelism(1, 0, 2, 2), Capacity.spread(c, 4));
    assertNull(Capacity.spread(c, 29));
  }
}
