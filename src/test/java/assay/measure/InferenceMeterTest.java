package assay.measure;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.Backend;
import assay.backend.reference.ReferenceBackend;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.WeightLayout;
import assay.model.Workload;
import assay.results.Measurement;
import assay.results.OperationTime;
import assay.tensor.Tensor;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class InferenceMeterTest {
  private static final CeilingMeter.Effort SMALL =
      new CeilingMeter.Effort(1e-3, 0.02, 1 << 20, 1 << 18);
  private static final TimeBudget QUICK = new TimeBudget(0.1, 0.05, 3, 5, 0);
  private static final Workload WORKLOAD = new Workload(2, 7, 4);

  private static InferenceMeter meter(Backend device, StopSignal stop) {
    return new InferenceMeter(
        device,
        ReferenceBackend::new,
        new CeilingMeter(device, SMALL),
        QUICK,
        stop,
        Progress.SILENT);
  }

  /** Measures and checks what must hold on any device. */
  static InferenceMeter.Outcome measure(Backend device, ModelConfig c, Precision p) {
    InferenceMeter.Outcome out =
        meter(device, StopSignal.NEVER).measure(SmallModels.weights(c), p, WORKLOAD, true);
    assertTrue(out.check().passed(), out.check().toString());
    Measurement m = out.measured();
    assertNotNull(m);
    long weights = WeightLayout.of(c).stream().mapToLong(t -> t.storedBytes(p)).sum();
    assertEquals(weights, m.weightsBytes());
    // K and V of each layer, slots of the prompt and of every token but the last.
    assertEquals(
        2L * c.nLayers() * p.kvCacheType().bytes(2L * c.nKvHeads() * (7 + 3), c.headDim()),
        m.kvCacheBytes());
    assertEquals(
        m.weightsBytes()
            + m.kvCacheBytes()
            + m.activationsBytes()
            + m.workspaceBytes()
            + m.overheadBytes(),
        m.totalBytes());
    assertTrue(m.prefillSeconds().runs() >= QUICK.minRuns());
    assertEquals(m.prefillSeconds().runs(), out.samples().prefillSeconds().size());
    assertEquals(m.decodeSecondsPerToken().runs(), out.samples().decodeSecondsPerToken().size());
    assertEquals(2 / m.decodeSecondsPerToken().median(), m.decodeTokensPerSecond(), 1e-6);
    assertEquals(
        m.decodeBytesReadPerPass() / m.decodeSecondsPerToken().median(),
        m.decodeBytesPerSecond(),
        m.decodeBytesPerSecond() * 1e-6);
    assertEquals(
        m.prefillFlopsPerSecond() / out.ceilings().peakFlopsPerSecond(),
        out.utilization().prefillMfu(),
        1e-9);
    assertEquals(
        m.prefillFlopsPerSecond() / out.ceilings().gemmFlopsPerSecond(),
        out.utilization().prefillGemmShare(),
        1e-9);
    assertEquals(
        m.decodeFlopsPerSecond() / out.ceilings().gemmFlopsPerSecond(),
        out.utilization().decodeGemmShare(),
        1e-9);
    return out;
  }

  @Test
  void measuresOnTheReference() {
    try (Backend device = new ReferenceBackend()) {
      InferenceMeter.Outcome out = measure(device, SmallModels.llama(), Precision.BF16);
      assertEquals(0, device.liveBytes());
      long flops = out.measured().prefillFlops();
      long profiled =
          out.operations().stream()
              .filter(o -> o.phase().equals("prefill"))
              .mapToLong(OperationTime::flops)
              .sum();
      assertEquals(flops, profiled, "each counted operation is timed, under the same name");
      assertTrue(out.operations().stream().anyMatch(o -> o.phase().equals("decode")));
      assertTrue(out.operations().stream().allMatch(o -> o.seconds() > 0));
    }
  }

  @Test
  void onGeneratedTokenHasNoDecode() {
    try (Backend device = new ReferenceBackend()) {
      InferenceMeter.Outcome out =
          meter(device, StopSignal.NEVER)
              .measure(
                  SmallModels.weights(SmallModels.llama()),
                  Precision.FP32,
                  new Workload(1, 5, 1),
                  true);
      Measurement m = out.measured();
      assertNull(m.decodeSecondsPerToken());
      assertNull(m.decodeFlopsPerToken());
      assertNull(m.decodeTokensPerSecond());
      assertNull(out.utilization().decodeMfu());
      assertNull(out.utilization().decodeVerdict());
      assertNotNull(m.prefillSeconds());
    }
  }

  @Test
  void aWrongDeviceIsNotTimed() {
    try (Backend right = new ReferenceBackend();
        Backend wrong =
            new ForwardingBackend(right) {
              @Override
              public void rope(Tensor x, int headDim, Tensor table, assay.backend.StepState state) {
                // Positions do not enter.
              }
            }) {
      InferenceMeter.Outcome out =
          meter(wrong, StopSignal.NEVER)
              .measure(SmallModels.weights(SmallModels.llama()), Precision.INT4, WORKLOAD, false);
      assertFalse(out.check().passed());
      assertNull(out.measured());
      assertEquals(0, right.liveBytes());
    }
  }

  @Test
  void stopsBetweenPassesAndFreesEverything() {
    AtomicInteger asked = new AtomicInteger();
    try (Backend device = new ReferenceBackend()) {
      InferenceMeter meter = meter(device, () -> asked.incrementAndGet() > 8);
      assertThrows(
          StopSignal.StoppedException.class,
          () ->
              meter.measure(
                  SmallModels.weights(SmallModels.llama()), Precision.FP32, WORKLOAD, false));
      assertEquals(0, device.liveBytes());
    }
  }
}
