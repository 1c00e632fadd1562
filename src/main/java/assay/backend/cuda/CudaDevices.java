package assay.backend.cuda;

import assay.backend.StepState;
import assay.model.DType;
import assay.model.UserError;
import assay.tensor.Arena;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import jcuda.driver.JCudaDriver;
import org.jspecify.annotations.Nullable;

/**
 * The GPUs of this host: what there is, what is missing, and opening one. Nothing here fails on a
 * host without any.
 */
public final class CudaDevices {
  private CudaDevices() {}

  /**
   * One GPU.
   *
   * @param ordinal the N of {@code --device cuda:N}
   * @param name the driver's name for it
   * @param totalBytes its memory
   * @param computeCapability such as 9.0
   */
  public record Gpu(int ordinal, String name, long totalBytes, String computeCapability) {}

  /**
   * What was found, without touching any device's memory.
   *
   * @param gpus those that the driver shows
   * @param missing what is not there, what that costs and what to do about it, a line each
   * @param standIn whether the tests' stand-in was found in place of a driver
   */
  public record Survey(List<Gpu> gpus, List<String> missing, boolean standIn) {}

  /**
   * Looks around.
   *
   * @param libraries the folder of {@code --cuda-libraries}, or null
   */
  public static Survey survey(@Nullable Path libraries) {
    try {
      CudaLibraries loaded = CudaLibraries.load(libraries);
      List<Gpu> gpus = new ArrayList<>();
      for (int i = 0; i < count(); i++) {
        GpuProperties p = GpuProperties.of(i);
        gpus.add(new Gpu(i, p.name(), p.totalBytes(), p.computeCapability()));
      }
      return new Survey(gpus, loaded.missing(), loaded.isStandIn());
    } catch (UserError e) {
      return new Survey(List.of(), List.of(String.valueOf(e.getMessage())), false);
    }
  }

  private static int count() {
    int[] n = new int[1];
    CudaStatus.check(JCudaDriver.cuDeviceGetCount(n), "cuDeviceGetCount");
    return n[0];
  }

  /**
   * Opens a GPU and runs a kernel on it.
   *
   * @param libraries the folder of {@code --cuda-libraries}, or null
   * @throws CudaUnavailable when there is no driver, no cuBLAS or no such GPU
   * @throws assay.backend.DeviceException when it fails
   */
  public static CudaBackend open(@Nullable Path libraries, int ordinal) {
    return open(CudaLibraries.load(libraries), ordinal);
  }

  static CudaBackend open(CudaLibraries libraries, int ordinal) {
    int n = count();
    if (ordinal < 0 || ordinal >= n) {
      throw new CudaUnavailable(
          "no GPU cuda:%d: %s"
              .formatted(ordinal, n == 0 ? "the driver shows none" : "there are 0 to " + (n - 1)));
    }
    CudaBackend backend = new CudaBackend(libraries, ordinal, new PtxResources());
    try {
      runKernel(backend);
      return backend;
    } catch (Throwable t) {
      closeQuietly(backend, t);
      throw t;
    }
  }

  private static void closeQuietly(CudaBackend backend, Throwable first) {
    try {
      backend.close();
    } catch (RuntimeException e) {
      first.addSuppressed(e);
    }
  }

  /** The smallest there is: counters move by what they are told to. */
  private static void runKernel(CudaBackend backend) {
    try (Arena arena = backend.newArena(MemoryCategory.WORKSPACE, 512);
        var host = java.lang.foreign.Arena.ofConfined()) {
      Tensor counters = arena.allocate(DType.I32, 1, 2);
      StepState state = new StepState(counters, arena.allocate(DType.I32, 1, 1));
      MemorySegment values = host.allocate(ValueLayout.JAVA_INT, 2);
      backend.write(counters, values);
      backend.advance(state, 3, 5);
      backend.read(counters, values);
      int slot = values.getAtIndex(ValueLayout.JAVA_INT, 0);
      int draw = values.getAtIndex(ValueLayout.JAVA_INT, 1);
      if (slot != 3 || draw != 5) {
        throw new assay.backend.DeviceException(
            "a first kernel ran on %s and computed %d and %d instead of 3 and 5"
                .formatted(backend.info().name(), slot, draw));
      }
    }
  }

  /**
   * An attempt to use a GPU without asking for one by name.
   *
   * @param backend the GPU, on which a kernel has run; null where none can be used
   * @param why in words, which was taken or why none was
   */
  public record Attempt(@Nullable CudaBackend backend, String why) {}

  /**
   * For {@code --device auto}: the first GPU on which a kernel really runs. Stand-ins do not count.
   *
   * @param libraries the folder of {@code --cuda-libraries}, or null
   */
  public static Attempt attempt(@Nullable Path libraries) {
    try {
      CudaLibraries loaded = CudaLibraries.load(libraries);
      if (loaded.isStandIn()) {
        return new Attempt(null, "the driver is a stand-in for tests, not a GPU");
      }
      if (count() == 0) {
        return new Attempt(null, "the NVIDIA driver shows no GPU");
      }
      CudaBackend backend = open(loaded, 0);
      return new Attempt(backend, backend.info().name() + " ran a kernel");
    } catch (UserError e) {
      return new Attempt(null, String.valueOf(e.getMessage()));
    }
  }
}
