package assay.measure;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.Backend;
import assay.backend.cpu.CpuBackend;
import assay.backend.cpu.kernel.VectorKernels;
import assay.backend.reference.ReferenceBackend;
import assay.engine.SessionOptions;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.results.Ceilings;
import assay.results.Check;
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
        Backend portable = new CpuBackend(2, new VectorKernels());
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
    try (Backend device = new CpuBackend(3, new VectorKernels())) {
      CeilingMeter.Effort effort = new CeilingMeter.Effort(1e-3, 0.3, (8 << 20) + 16_384, 0);
      Ceilings c = new CeilingMeter(device, effort).of(Precision.FP32);
      assertEquals((8 << 20) + 16_384, c.copyBytes());
      // Far below any memory, with a compiler that may not be through on a busy machine.
      assertTrue(c.copyBytesPerSecond() > 1e7, c.toString());
    }
  }

  /**
   * In a JVM of its own: in one that has run other back ends before, the compiler no longer sees
   * through calls whose objects it removes in a program that has only one.
   */
  @Test
  void decodingAllocatesNothing() throws Exception {
    Process p =
        new ProcessBuilder(
                System.getProperty("java.home") + "/bin/java",
                "--add-modules",
                "jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                DecodeAllocation.class.getName())
            .redirectErrorStream(true)
            .start();
    String said =
        new String(p.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
    assertEquals(0, p.waitFor(), said);
    for (Precision precision : PRECISIONS) {
      assertTrue(said.contains(precision.label() + " 0\n"), said);
    }
  }
}
