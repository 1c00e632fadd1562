package assay.measure;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.Backend;
import assay.backend.Mark;
import assay.backend.SamplingSpec;
import assay.backend.reference.ReferenceBackend;
import assay.engine.Session;
import assay.engine.SessionOptions;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import assay.testing.DeferredBackend;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The engine and measuring on a device whose operations run as late as they may. */
class DeferredBackendTest {
  private static final int[][] PROMPTS = {{3, 1, 4, 1, 5, 9, 2}, {2, 7, 1, 8}};

  static List<ModelConfig> models() {
    return SmallModels.all();
  }

  @ParameterizedTest
  @MethodSource("models")
  void theEngineGivesTheSameTokensWhenEverythingRunsLate(ModelConfig c) {
    SessionOptions options =
        SessionOptions.of(Precision.BF16, 2, 16)
            .withMaxPassTokens(3)
            .withSampling(new SamplingSpec(0.9f, 20, 0.9f), 5);
    Backend deferred = DeferredBackend.around(new ReferenceBackend());
    assertArrayEquals(
        generate(new ReferenceBackend(), c, options), generate(deferred, c, options), c.name());
    assertTrue(((DeferredBackend.Counts) deferred).mostQueued() > 50, "nothing was deferred");
  }

  private static int[][] generate(Backend backend, ModelConfig c, SessionOptions options) {
    try (backend) {
      try (Session s = Session.open(backend, SmallModels.weights(c), options)) {
        s.start(PROMPTS);
        s.enqueuePrefill();
        s.enqueueDecode();
        for (int i = 0; i < 4; i++) {
          s.enqueueRecordedDecode();
        }
        int[][] first = s.generated();
        s.rewind();
        s.enqueuePrefill();
        for (int i = 0; i < 5; i++) {
          s.enqueueRecordedDecode();
        }
        assertArrayEquals(first, s.generated(), "a replay after a rewind");
        return first;
      }
    }
  }

  @Test
  void measuringWorksWhenEverythingRunsLate() {
    try (Backend deferred = DeferredBackend.around(new ReferenceBackend())) {
      InferenceMeterTest.measure(deferred, SmallModels.llama(), Precision.INT8);
      assertEquals(0, deferred.liveBytes());
    }
  }

  // The double itself must be able to fail.

  @Test
  void anOperationBehindItsArenasEndFails() {
    Backend deferred = DeferredBackend.around(new ReferenceBackend());
    try (assay.tensor.Arena arena = deferred.newArena(MemoryCategory.ACTIVATIONS, 1024)) {
      Tensor x = arena.allocate(DType.F32, 1, 4);
      deferred.add(x, x);
    }
    assertThrows(IllegalArgumentException.class, deferred::await);
  }

  @Test
  void memoryIsPoisonedAndAMarkIsNotReachedAtOnce() {
    Backend deferred = DeferredBackend.around(new ReferenceBackend());
    try (assay.tensor.Arena arena = deferred.newArena(MemoryCategory.ACTIVATIONS, 1024);
        Arena host = Arena.ofConfined();
        Mark a = deferred.newMark();
        Mark b = deferred.newMark()) {
      Tensor x = arena.allocate(DType.F32, 1, 4);
      MemorySegment bytes = host.allocate(16);
      deferred.read(x, bytes);
      assertEquals(-1, bytes.get(java.lang.foreign.ValueLayout.JAVA_INT, 0));
      a.record();
      b.record();
      assertThrows(IllegalStateException.class, () -> b.secondsSince(a));
      deferred.await();
      assertTrue(b.secondsSince(a) >= 0);
    }
  }
}
