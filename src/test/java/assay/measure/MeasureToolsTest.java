package assay.measure;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.Backend;
import assay.backend.BackendInfo;
import assay.backend.CeilingProbe;
import assay.backend.cpu.CpuBackend;
import assay.backend.reference.ReferenceBackend;
import assay.model.DType;
import assay.model.Precision;
import assay.results.Ceilings;
import assay.results.Environment;
import assay.results.Pace;
import assay.results.Times;
import assay.tensor.Arena;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class MeasureToolsTest {
  @Test
  void medians() {
    assertEquals(new Times(2, 1, 9, 3), Statistics.times(List.of(9.0, 1.0, 2.0)));
    assertEquals(2.5, Statistics.median(List.of(4.0, 1.0, 2.0, 3.0)));
    assertEquals(0, Statistics.quartileSpread(List.of(5.0)));
    assertEquals(2.0 / 3, Statistics.quartileSpread(List.of(1.0, 2.0, 3.0, 4.0, 5.0)), 1e-12);
    assertThrows(IllegalArgumentException.class, () -> Statistics.median(List.of()));
  }

  @Test
  void warmUpEndsWhenRunsNoLongerGetFaster() {
    Warmup w = new Warmup();
    for (double s : new double[] {10, 5, 1, 0.9, 0.5}) {
      w.add(s);
      assertFalse(w.steady(), "still falling at " + s);
    }
    w.add(0.5);
    w.add(0.51);
    assertFalse(w.steady(), "0.5 came within the last three");
    w.add(0.52);
    assertTrue(w.steady());
  }

  @Test
  void ceilingsAreMeasuredOnceAndFreed() {
    try (Backend device = new ReferenceBackend()) {
      CeilingMeter meter =
          new CeilingMeter(device, new CeilingMeter.Effort(1e-3, 0.02, 1 << 20, 1 << 18));
      Ceilings first = meter.of(Precision.INT4);
      assertEquals(first, meter.of(Precision.INT4));
      assertTrue(first.gemmFlopsPerSecond() > 1e6, first.toString());
      assertEquals(1 << 20, first.copyBytes());
      assertEquals(1 << 18, first.cacheBytes());
      assertTrue(first.cacheBytesPerSecond() > 0);
      assertEquals(
          first.copyBytesPerSecond(),
          meter.of(Precision.FP32).copyBytesPerSecond(),
          "one sweep serves all precisions");
      assertEquals(0, device.liveBytes());
    }
  }

  /** Between two uses of a set lies twice the cache, where there is memory for it. */
  @Test
  void operandsTakeTurns() {
    assertEquals(1, DeviceCache.sets(1 << 20, 0, 1L << 40), "a host");
    assertEquals(1, DeviceCache.sets(100, 50, 1L << 40));
    assertEquals(3, DeviceCache.sets(99, 50, 1L << 40));
    assertEquals(1, DeviceCache.sets(98, 49, 1L << 40));
    assertEquals(3, DeviceCache.sets(97, 49, 1L << 40));
    assertEquals(101, DeviceCache.sets(1, 50, 1L << 40));
    assertEquals(7, DeviceCache.sets(1, 50, 7));
    assertEquals(1, DeviceCache.sets(1, 50, 0));
    for (long each = 1; each < 300; each++) {
      long between = (DeviceCache.sets(each, 100, 1L << 40) - 1) * each;
      assertTrue(each >= 200 || between >= 200, each + " bytes, " + between + " between");
    }
  }

  /** A device apart from the host with a cache of 128 KiB, that remembers what it multiplied. */
  private static final class Apart extends ForwardingBackend {
    private final Set<Tensor> weights = new HashSet<>();
    private @Nullable Tensor latest;
    private boolean twiceInTurn;

    Apart() {
      super(new ReferenceBackend());
    }

    @Override
    public boolean sharesHostMemory() {
      return false;
    }

    @Override
    public BackendInfo info() {
      return new BackendInfo("test", "apart", "Apart", Map.of("l2_bytes", "131072"));
    }

    @Override
    public void matmul(Tensor x, Tensor weight, Tensor out, boolean accumulate) {
      if (weight.rows() == 128) { // not the sweep over memory
        twiceInTurn |= weight.equals(latest);
        latest = weight;
        weights.add(weight);
      }
      super.matmul(x, weight, out, accumulate);
    }
  }

  @Test
  void aSmallProductDoesNotFindItsOperandsInTheCache() {
    try (Apart device = new Apart()) {
      CeilingMeter.Effort usual = CeilingMeter.Effort.usual(device);
      assertEquals(131_072, usual.deviceCacheBytes());
      CeilingMeter.Effort effort =
          new CeilingMeter.Effort(1e-9, 0.02, 1 << 20, 0, usual.deviceCacheBytes());
      Ceilings c = new CeilingMeter(device, effort).of(Precision.FP32);
      // 32×128×128: 64 KiB of weights, 16 of x, 16 of y; 256 KiB lie between.
      assertEquals("32×128×128", c.gemmShape());
      assertEquals(1 + 3, c.gemmRotatingBuffers());
      assertFalse(device.twiceInTurn, "the same operands twice in a row");
      assertTrue(device.weights.size() >= 2 * 3, "sampled twice, three runs or more each");
      assertEquals(0, device.liveBytes());
    }
  }

  private static final class Probing extends ForwardingBackend implements CeilingProbe {
    private final float found;

    Probing(float found) {
      super(new ReferenceBackend());
      this.found = found;
    }

    @Override
    public void readSweep(Tensor memory, Tensor sum) {
      long start = System.nanoTime();
      while (System.nanoTime() - start < 10_000) {
        Thread.onSpinWait();
      }
      TensorValues.write(inner(), sum, new float[] {found});
    }

    @Override
    public String sweepKind() {
      return "pretended";
    }

    @Override
    public double arithmeticSweep(Tensor result) {
      readSweep(result, result);
      return 1e6;
    }
  }

  @Test
  void aSweepThatDoesNotReadEverythingIsNotBelieved() {
    CeilingMeter.Effort effort = new CeilingMeter.Effort(1e-3, 0.02, 1 << 20, 0);
    Ceilings c = new CeilingMeter(new Probing(1 << 18), effort).of(Precision.FP32);
    assertEquals("pretended", c.copyKind());
    assertThrows(
        IllegalStateException.class,
        () -> new CeilingMeter(new Probing(1 << 17), effort).of(Precision.FP32));
  }

  @Test
  void theHostsPaceIsProbed() {
    try (Backend device = new CpuBackend(2);
        PaceMeter meter = PaceMeter.of(device)) {
      assertNotNull(meter);
      meter.probe();
      meter.probe();
      List<Pace> pace = meter.take();
      assertEquals(2, pace.size());
      for (Pace p : pace) {
        // Far below what any processor does, far above what a wrong unit would give.
        assertTrue(p.arithmeticFlopsPerSecond() > 1e8 && p.arithmeticFlopsPerSecond() < 1e14);
        assertTrue(p.copyBytesPerSecond() > 1e8 && p.copyBytesPerSecond() < 1e13);
        assertNotNull(p.cacheBytesPerSecond());
      }
      assertEquals(List.of(), meter.take());
      assertEquals(0, device.liveBytes(), "the probe's memory is not the model's");
    }
    try (Backend device = new ReferenceBackend()) {
      assertNull(PaceMeter.of(device));
    }
  }

  /** All products are the same power of two: the sum is exact whatever its order. */
  @Test
  void theArithmeticProbeDoesAllOfItsWork() {
    try (Backend device = new CpuBackend(3);
        Arena arena = device.newArena(MemoryCategory.WORKSPACE, 256)) {
      Tensor result = arena.allocate(DType.F32, 1, 1);
      double flops = ((CeilingProbe) device).arithmeticSweep(result);
      assertEquals(
          flops / 2 / 1024 / 64, TensorValues.read(device, result)[0], 1e-6 * flops / 2 / 65536);
    }
  }

  @Test
  void theEnvironmentIsDescribed() {
    try (Backend device = new ReferenceBackend()) {
      Environment e = Environments.describe(device);
      assertEquals("reference", e.device());
      assertNotNull(e.cpu());
      assertNotNull(e.java());
      assertTrue(e.deviceMemoryBytes() > 0);
    }
  }
}
