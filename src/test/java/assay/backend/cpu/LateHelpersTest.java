package assay.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.cpu.kernel.GeneratedKernels;
import assay.backend.cpu.kernel.Kernels;
import assay.backend.cpu.kernel.VectorKernels;
import assay.checkpoint.RandomWeights;
import assay.engine.Session;
import assay.engine.SessionOptions;
import assay.model.ModelConfig;
import assay.model.Precision;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A model whose helper threads fall asleep in the middle of kernels says the same, bit by bit. */
class LateHelpersTest {
  private static final ModelConfig MODEL =
      ModelConfig.builder("late", "llama")
          .size(2, 256, 512)
          .heads(8, 4, 32)
          .tokens(4098, 64)
          .build();

  @ParameterizedTest
  @EnumSource(
      value = Precision.class,
      names = {"FP32", "FP16", "BF16", "INT8", "INT4"})
  void decodeIsTheSame(Precision precision) {
    AtomicInteger sleeps = new AtomicInteger();
    int[][] alone = generate(new CpuBackend(1, kernels()), precision);
    // Whether a helper comes in time for a chunk, on a busy machine, is chance: until one has.
    for (int attempt = 0; attempt < 100 && sleeps.get() == 0; attempt++) {
      int[][] late = generate(new CpuBackend(3, sleepy(kernels(), sleeps)), precision);
      assertArrayEquals(alone[0], late[0]);
    }
    assertTrue(sleeps.get() > 0, "no helper took part: nothing was tested");
  }

  private static int[][] generate(CpuBackend device, Precision precision) {
    try (device) {
      try (Session s =
          Session.open(device, new RandomWeights(MODEL, 5), SessionOptions.of(precision, 1, 60))) {
        s.start(new int[][] {{1, 17, 4097}});
        s.enqueuePrefill();
        for (int i = 0; i < 40; i++) {
          s.enqueueDecode();
        }
        return s.generated();
      } finally {
        // Closing waits for late helpers, lest they read memory that is gone.
        assertEquals(0, device.liveBytes());
      }
    }
  }

  private static Kernels kernels() {
    Kernels generated = GeneratedKernels.createIfSupported();
    return generated != null ? generated : new VectorKernels();
  }

  private static Kernels sleepy(Kernels inner, AtomicInteger sleeps) {
    return (Kernels)
        Proxy.newProxyInstance(
            Kernels.class.getClassLoader(),
            new Class<?>[] {Kernels.class},
            (proxy, method, args) -> {
              boolean helper = Thread.currentThread().getName().startsWith("assay-worker-");
              boolean sleep = helper && ThreadLocalRandom.current().nextInt(8) == 0;
              if (sleep) {
                sleeps.incrementAndGet();
                LockSupport.parkNanos(300_000);
              }
              try {
                return method.invoke(inner, args);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              } finally {
                if (sleep) {
                  LockSupport.parkNanos(300_000);
                }
              }
            });
  }
}
