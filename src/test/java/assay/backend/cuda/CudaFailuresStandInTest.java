package assay.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.DeviceException;
import assay.backend.Lab;
import assay.backend.Recording;
import assay.backend.StepState;
import assay.model.DType;
import assay.model.UserError;
import assay.tensor.Arena;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * What must hold when a device fails: the error by name and the operation, exit code 4; nothing
 * left behind; a context that is lost is given up and the next one works. On the stand-in driver,
 * whose failures are ordered by the test.
 */
class CudaFailuresStandInTest {
  private static final int OUT_OF_MEMORY = 2;
  private static final int ILLEGAL_ADDRESS = 700;
  private static final int LAUNCH_OUT_OF_RESOURCES = 701;
  private static final int CUBLAS_EXECUTION_FAILED = 13;
  private static final int CUBLAS_NOT_INITIALIZED = 1;

  @AfterEach
  void nothingIsLeftOnTheDevice() {
    assertEquals(0, StandIn.liveBytes(), "bytes still allocated");
    assertEquals(
        0,
        StandIn.liveObjects(),
        "streams, events, modules, graphs, handles or contexts still open");
    StandIn.reset(StandIn.USUAL_BYTES, 80);
  }

  private static Tensor ones(Lab lab, int rows, int columns) {
    float[] values = new float[rows * columns];
    java.util.Arrays.fill(values, 1);
    return lab.floats(DType.F32, rows, columns, values);
  }

  @Test
  void everythingIsGivenBack() {
    try (CudaBackend backend = StandIn.open();
        Lab lab = new Lab(backend)) {
      Tensor x = ones(lab, 20, 32);
      backend.matmul(x, lab.weight(DType.F32, 8, 32, new float[256]), ones(lab, 20, 8), false);
      backend.fillUniform(ones(lab, 3, 5), 1);
      try (Recording r = backend.record(() -> backend.add(x, x))) {
        r.replay();
      }
      assertTrue(StandIn.liveObjects() > 5);
      assertEquals(backend.liveBytes() + backend.memoryBooks().scratchBytes(), StandIn.liveBytes());
    }
  }

  @Test
  void whatDoesNotFitIsRefusedWithBothSizes() {
    try (CudaBackend backend = StandIn.open()) {
      long free = backend.memory().freeBytes();
      UserError e =
          assertThrows(UserError.class, () -> backend.newArena(MemoryCategory.WEIGHTS, free + 1));
      assertEquals(UserError.DOES_NOT_FIT, e.exitCode());
      assertEquals(
          "WEIGHTS of %d bytes do not fit: %d bytes are free".formatted(free + 1, free),
          e.getMessage());
      assertEquals(0, backend.liveBytes());
    }
  }

  @Test
  void outOfMemoryDespiteFreeBytesLeavesNothing() {
    try (CudaBackend backend = StandIn.open()) {
      long before = StandIn.liveBytes();
      StandIn.fail("cuMemAlloc", 0, OUT_OF_MEMORY);
      UserError e =
          assertThrows(UserError.class, () -> backend.newArena(MemoryCategory.KV_CACHE, 4096));
      assertEquals(UserError.DOES_NOT_FIT, e.exitCode());
      assertTrue(
          e.getMessage()
              .startsWith("CUDA_ERROR_OUT_OF_MEMORY in cuMemAlloc: KV_CACHE of 4096 bytes"),
          e.getMessage());
      assertEquals(before, StandIn.liveBytes());
      backend.newArena(MemoryCategory.KV_CACHE, 4096).close();
    }
  }

  @Test
  void aLaunchThatFailsAtOnceIsNamedAndTheContextLives() {
    try (CudaBackend backend = StandIn.open();
        Lab lab = new Lab(backend)) {
      Tensor x = ones(lab, 2, 8);
      StandIn.fail("cuLaunchKernel", 0, LAUNCH_OUT_OF_RESOURCES);
      DeviceException e = assertThrows(DeviceException.class, () -> backend.add(x, x));
      assertEquals(UserError.DEVICE_FAILED, e.exitCode());
      assertEquals(
          "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES in cuLaunchKernel of add_f32_f32", e.getMessage());
      backend.add(x, x);
      assertEquals(2f, lab.read(x)[0]);
    }
  }

  @Test
  void aKernelThatFailsLaterGivesUpTheContext() {
    CudaBackend backend = StandIn.open();
    Arena arena = backend.newArena(MemoryCategory.ACTIVATIONS, 4096);
    StepState state =
        new StepState(arena.allocate(DType.I32, 1, 2), arena.allocate(DType.I32, 1, 1));
    StandIn.fail("run advance", 0, ILLEGAL_ADDRESS);
    backend.advance(state, 1, 1); // only enqueued
    DeviceException e = assertThrows(DeviceException.class, backend::await);
    assertEquals(
        "CUDA_ERROR_ILLEGAL_ADDRESS in cuStreamSynchronize; the last kernel enqueued was advance",
        e.getMessage());
    DeviceException again = assertThrows(DeviceException.class, () -> backend.advance(state, 1, 1));
    assertEquals(
        "the CUDA context was given up after CUDA_ERROR_ILLEGAL_ADDRESS in cuStreamSynchronize",
        again.getMessage());
    assertThrows(DeviceException.class, backend::memory);
    assertThrows(DeviceException.class, () -> backend.newArena(MemoryCategory.WEIGHTS, 1));
    arena.close();
    assertEquals(0, backend.liveBytes());
    backend.close();
    assertEquals(0, StandIn.liveBytes());
    // A fresh context on the same device works.
    StandIn.open().close();
  }

  @Test
  void aKernelThatFailsWhileCublasRunsIsNotBlamedOnCublasAlone() {
    CudaBackend backend = StandIn.open();
    Lab lab = new Lab(backend);
    Tensor x = ones(lab, 20, 32);
    Tensor out = ones(lab, 20, 8);
    Tensor w = lab.weight(DType.F32, 8, 32, new float[256]);
    backend.await();
    StandIn.fail("run add_f32_f32", 0, ILLEGAL_ADDRESS);
    StandIn.fail("cublasGemmEx", 0, CUBLAS_EXECUTION_FAILED);
    backend.add(x, x);
    DeviceException e = assertThrows(DeviceException.class, () -> backend.matmul(x, w, out, false));
    assertEquals(
        "CUDA_ERROR_ILLEGAL_ADDRESS behind CUBLAS_STATUS_EXECUTION_FAILED in cublasGemmEx of F32"
            + " [20, 32] with F32 [8, 32]",
        e.getMessage());
    assertThrows(DeviceException.class, backend::await);
    assertThrows(DeviceException.class, lab::close);
    backend.close();
  }

  @Test
  void aProductThatFailsIsNamed() {
    try (CudaBackend backend = StandIn.open();
        Lab lab = new Lab(backend)) {
      Tensor x = ones(lab, 20, 32);
      Tensor w = lab.weight(DType.F32, 8, 32, new float[256]);
      Tensor out = ones(lab, 20, 8);
      StandIn.fail("cublasGemmEx", 0, CUBLAS_EXECUTION_FAILED);
      DeviceException e =
          assertThrows(DeviceException.class, () -> backend.matmul(x, w, out, false));
      assertEquals(
          "CUBLAS_STATUS_EXECUTION_FAILED in cublasGemmEx of F32 [20, 32] with F32 [8, 32]",
          e.getMessage());
      backend.matmul(x, w, out, false);
      backend.await();
    }
  }

  @Test
  void openingThatFailsHalfWayLeavesNothing() {
    CudaLibraries libraries = StandIn.libraries();
    record Failing(String function, int after, int status) {}
    for (Failing f :
        new Failing[] {
          new Failing("cuDevicePrimaryCtxRetain", 0, OUT_OF_MEMORY),
          new Failing("cuStreamCreate", 0, OUT_OF_MEMORY),
          new Failing("cuMemAllocHost", 1, OUT_OF_MEMORY),
          new Failing("cublasCreate", 0, CUBLAS_NOT_INITIALIZED),
          new Failing("cuModuleLoadDataEx", 0, 218),
          new Failing("run advance", 0, ILLEGAL_ADDRESS),
        }) {
      StandIn.fail(f.function, f.after, f.status);
      DeviceException e =
          assertThrows(DeviceException.class, () -> CudaDevices.open(libraries, 0), f.function);
      assertEquals(UserError.DEVICE_FAILED, e.exitCode());
      assertEquals(0, StandIn.liveBytes(), f.function);
      assertEquals(0, StandIn.liveObjects(), f.function);
    }
  }

  @Test
  void aCaptureThatFailsLeavesTheStreamUsable() {
    try (CudaBackend backend = StandIn.open();
        Lab lab = new Lab(backend)) {
      Tensor x = ones(lab, 2, 8);
      int[] runs = new int[1];
      IllegalStateException e =
          assertThrows(
              IllegalStateException.class,
              () ->
                  backend.record(
                      () -> {
                        backend.add(x, x);
                        if (++runs[0] == 2) {
                          throw new IllegalStateException("in the capture");
                        }
                      }));
      assertEquals("in the capture", e.getMessage());
      StandIn.fail("cuGraphInstantiate", 0, OUT_OF_MEMORY);
      assertThrows(DeviceException.class, () -> backend.record(() -> backend.add(x, x)));
      assertThrows(
          IllegalStateException.class, () -> backend.record(() -> lab.read(x)), "a transfer");
      backend.await();
      assertEquals(4f, lab.read(x)[0]);
    }
  }

  @Test
  void aReplayIsOneLaunchAndWaitsForNothing() {
    try (CudaBackend backend = StandIn.open();
        Lab lab = new Lab(backend)) {
      Tensor x = ones(lab, 2, 8);
      Tensor y = ones(lab, 2, 8);
      try (Recording r =
          backend.record(
              () -> {
                for (int i = 0; i < 10; i++) {
                  backend.add(x, y);
                }
              })) {
        backend.await();
        long launches = StandIn.launches();
        long waits = StandIn.synchronizations();
        for (int i = 0; i < 5; i++) {
          r.replay();
        }
        assertEquals(launches, StandIn.launches());
        assertEquals(5, StandIn.graphLaunches());
        assertEquals(waits, StandIn.synchronizations());
      }
      assertEquals(61f, lab.read(x)[0]);
    }
  }

  @Test
  void onlyTheOwnersThreadMayCall() throws InterruptedException {
    try (CudaBackend backend = StandIn.open()) {
      AtomicReference<Throwable> thrown = new AtomicReference<>();
      Thread other =
          new Thread(
              () -> {
                try {
                  backend.memory();
                } catch (Throwable t) {
                  thrown.set(t);
                }
              });
      other.start();
      other.join();
      assertTrue(
          thrown.get() instanceof IllegalStateException e
              && e.getMessage().contains("belongs to thread"),
          String.valueOf(thrown.get()));
    }
  }

  @Test
  void arenasThatStayOpenAreNamedAfterBeingFreed() {
    CudaBackend backend = StandIn.open();
    Arena arena = backend.newArena(MemoryCategory.GRADIENTS, 1000);
    Tensor t = arena.allocate(DType.F32, 1, 4);
    IllegalStateException e = assertThrows(IllegalStateException.class, backend::close);
    assertEquals("arenas were still open: GRADIENTS of 1000 bytes", e.getMessage());
    assertEquals(0, StandIn.liveBytes());
    try (CudaBackend other = StandIn.open()) {
      assertThrows(IllegalArgumentException.class, () -> other.zero(t));
    }
  }

  @Test
  void tensorsOfAClosedArenaAreRefused() {
    try (CudaBackend backend = StandIn.open()) {
      Arena arena = backend.newArena(MemoryCategory.ACTIVATIONS, 1000);
      Tensor t = arena.allocate(DType.F32, 1, 4);
      arena.close();
      IllegalArgumentException e =
          assertThrows(IllegalArgumentException.class, () -> backend.zero(t));
      assertTrue(e.getMessage().contains("closed arena"), e.getMessage());
    }
  }

  @Test
  void aDeviceThatIsNotThereIsRefused() {
    CudaLibraries libraries = StandIn.libraries();
    CudaUnavailable e = assertThrows(CudaUnavailable.class, () -> CudaDevices.open(libraries, 1));
    assertEquals("no GPU cuda:1: there are 0 to 0", e.getMessage());
    assertEquals(UserError.BAD_INPUT, e.exitCode());
  }

  @Test
  void aStandInIsNeverTakenForAGpu() {
    CudaLibraries libraries = StandIn.libraries();
    assertTrue(libraries.isStandIn());
    try (CudaBackend backend = StandIn.open()) {
      assertEquals("STAND-IN (not a GPU)", backend.info().name());
      assertEquals("true", backend.info().facts().get("stand_in"));
    }
    CudaDevices.Attempt attempt = CudaDevices.attempt(StandIn.folder("all"));
    assertNull(attempt.backend());
    assertEquals("the driver is a stand-in for tests, not a GPU", attempt.why());
    assertTrue(CudaDevices.survey(StandIn.folder("all")).standIn());
  }

  @Test
  void theBooksOfMemoryAddUp() {
    try (CudaBackend backend = StandIn.open();
        Arena arena = backend.newArena(MemoryCategory.WEIGHTS, 1 << 20)) {
      var books = backend.memoryBooks();
      assertEquals(arena.reservedBytes(), books.arenaBytes());
      assertEquals(StandIn.liveBytes(), books.arenaBytes() + books.scratchBytes());
      assertEquals(0L, books.usedBeforeBytes());
      assertEquals(96L << 20, books.overheadBytes());
      assertEquals(books.driverUsedBytes(), books.processBytes());
    }
  }

  /** As they are measured for ceilings. */
  @Test
  void theLibrarysOwnProductsAreExact() {
    try (CudaBackend backend = StandIn.open(90);
        Arena arena = backend.newArena(MemoryCategory.ACTIVATIONS, 1 << 20);
        var host = java.lang.foreign.Arena.ofConfined()) {
      int n = 3;
      int in = 32;
      int out = 16;
      byte[] x = new byte[n * in];
      byte[] w = new byte[out * in];
      new java.util.Random(5).nextBytes(x);
      new java.util.Random(6).nextBytes(w);
      Tensor xs = arena.allocate(DType.I8, n, in);
      Tensor ws = arena.allocate(DType.I8, out, in);
      Tensor ys = arena.allocate(DType.I32, n, out);
      backend.write(xs, host.allocateFrom(java.lang.foreign.ValueLayout.JAVA_BYTE, x));
      backend.write(ws, host.allocateFrom(java.lang.foreign.ValueLayout.JAVA_BYTE, w));
      backend.multiplyIntegers(xs, ws, ys);
      var y = host.allocate(java.lang.foreign.ValueLayout.JAVA_INT, (long) n * out);
      backend.read(ys, y);
      for (int r = 0; r < n; r++) {
        for (int c = 0; c < out; c++) {
          int sum = 0;
          for (int i = 0; i < in; i++) {
            sum += x[r * in + i] * w[c * in + i];
          }
          assertEquals(
              sum, y.getAtIndex(java.lang.foreign.ValueLayout.JAVA_INT, (long) r * out + c));
        }
      }
      // 1.0 and 2.0 in e4m3: every element is 2 · in, exact in bf16.
      java.util.Arrays.fill(x, (byte) 0x38);
      java.util.Arrays.fill(w, (byte) 0x40);
      Tensor xf = arena.allocate(DType.F8E4M3, n, in);
      Tensor wf = arena.allocate(DType.F8E4M3, out, in);
      Tensor yf = arena.allocate(DType.BF16, n, out);
      backend.write(xf, host.allocateFrom(java.lang.foreign.ValueLayout.JAVA_BYTE, x));
      backend.write(wf, host.allocateFrom(java.lang.foreign.ValueLayout.JAVA_BYTE, w));
      assertTrue(backend.multiplyF8(xf, wf, yf));
      var bf16 = host.allocate(java.lang.foreign.ValueLayout.JAVA_SHORT, (long) n * out);
      backend.read(yf, bf16);
      assertEquals(
          Float.floatToIntBits(64f) >>> 16,
          bf16.getAtIndex(java.lang.foreign.ValueLayout.JAVA_SHORT, (long) n * out - 1));
      Tensor odd = arena.allocate(DType.F8E4M3, 13, in);
      assertTrue(!backend.multiplyF8(xf, odd, arena.allocate(DType.BF16, n, 13)));
      Tensor copy = arena.allocate(DType.I32, n, out);
      backend.copy(ys, copy);
      var z = host.allocate(java.lang.foreign.ValueLayout.JAVA_INT, (long) n * out);
      backend.read(copy, z);
      assertEquals(-1, y.mismatch(z));
    }
  }

  @Test
  void samplingSeesTheDevice() throws InterruptedException {
    try (CudaBackend backend = StandIn.open();
        var sampling = backend.startSampling(0.005)) {
      while (sampling.samples().size() < 3) {
        Thread.sleep(5);
      }
      var s = sampling.samples().getLast();
      assertEquals(1, s.smClockMhz());
      assertEquals(1.0, s.powerWatts());
      assertEquals(java.util.List.of("idle"), s.throttleReasons());
      assertTrue(s.atSeconds() > 0);
    }
    assertArrayEquals(
        new String[] {"power limit", "hardware: temperature", "reason 0x400"},
        GpuSampling.reasons(0x444).toArray());
  }
}
