package assay.measure;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.Backend;
import assay.backend.cpu.CpuBackend;
import assay.backend.cpu.kernel.VectorKernels;
import assay.backend.reference.ReferenceBackend;
import assay.engine.Session;
import assay.engine.SessionOptions;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.results.Ceilings;
import assay.results.Check;
import java.lang.management.ManagementFactory;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Measuring the back end that most users have. */
class CpuMeasureTest {
  private static final List<Precision> PRECISIONS =
      List.of(Precision.FP32, Precision.FP16, Precision.BF16, Precision.INT8, Precision.INT4);

  @ParameterizedTest
  @EnumSource(
      value = Precision.class,
      names = {"FP32", "FP16", "BF16", "INT8", "INT4"})
  void itsLogitsAreThoseOfTheReference(Precision p) {
    try (Backend best = new CpuBackend();
        Backend portable = new CpuBackend(2, new VectorKernels(2));
        Backend reference = new ReferenceBackend()) {
      for (ModelConfig c : SmallModels.all()) {
        for (Backend device : List.of(best, portable)) {
          Check check =
              new LogitsCheck(device, reference)
                  .run(SmallModels.weights(c), SessionOptions.of(p, 2, 16), StopSignal.NEVER);
          assertTrue(check.passed(), c.name() + " " + device.info() + " " + check);
        }
      }
    }
  }

  @Test
  void aRowIsMeasured() {
    try (Backend device = new CpuBackend()) {
      InferenceMeterTest.measure(device, SmallModels.llama(), Precision.INT8);
      assertEquals(0, device.liveBytes());
    }
  }

  @Test
  void theSweepReadsEverything() {
    try (Backend device = new CpuBackend(3, new VectorKernels(3))) {
      CeilingMeter.Effort effort = new CeilingMeter.Effort(1e-3, 0.05, (8 << 20) + 16_384, 0);
      Ceilings c = new CeilingMeter(device, effort).of(Precision.FP32);
      assertEquals((8 << 20) + 16_384, c.copyBytes());
      assertTrue(c.copyBytesPerSecond() > 1e8, c.toString());
    }
  }

  /** Through the decorators as in a measurement: nothing on the heap for a decode step. */
  @Test
  void decodingAllocatesNothing() {
    var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    for (Precision p : PRECISIONS) {
      try (Backend device = new CpuBackend();
          ProfilingBackend profiling = new ProfilingBackend(device);
          Session s =
              Session.open(
                  new CountingBackend(profiling),
                  SmallModels.weights(SmallModels.llama()),
                  SessionOptions.of(p, 2, 60))) {
        s.start(new int[][] {{1, 2, 3}, {4, 5, 6}});
        long least = Long.MAX_VALUE;
        long giveUp = System.nanoTime() + 15_000_000_000L;
        while (least > 0 && System.nanoTime() < giveUp) {
          s.rewind();
          s.enqueuePrefill();
          long before = threads.getCurrentThreadAllocatedBytes();
          for (int i = 0; i < 50; i++) {
            s.enqueueRecordedDecode();
          }
          least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
        }
        // The first rounds allocate for classes and before the compiler has removed short-lived
        // objects; from then on nothing does.
        assertEquals(0, least, p.label() + ": bytes in 50 decode steps");
      }
    }
  }
}
