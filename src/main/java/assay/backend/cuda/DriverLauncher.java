package assay.backend.cuda;

import assay.backend.DeviceException;
import assay.backend.cuda.Handles.Function;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import jcuda.Pointer;
import jcuda.driver.CUfunction_attribute;
import jcuda.driver.CUjit_option;
import jcuda.driver.CUmodule;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;
import jcuda.driver.JITOptions;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Kernels through the driver: each module is compiled by it for the card when its first kernel is
 * asked for (and kept in the driver's own cache on disk), launches go past JCuda.
 */
final class DriverLauncher implements Launcher, AutoCloseable {
  /** Dynamic shared memory that a function may have without asking. */
  private static final int USUAL_SHARED_BYTES = 48 << 10;

  private static final int LOG_BYTES = 8 << 10;
  private static final Logger log = LoggerFactory.getLogger(DriverLauncher.class);
  private final CudaContext context;
  private final KernelImages images;
  private final Map<String, CUmodule> modules = new HashMap<>();
  private final List<Loaded> functions = new ArrayList<>();
  private final Arena arena = Arena.ofConfined();
  private final MemorySegment pointers = arena.allocate(ValueLayout.JAVA_LONG, KernelArgs.MAX_ARGS);
  private ByteBuffer pointedAt = ByteBuffer.allocate(0);

  private record Loaded(long address, int sharedBytes, int block, String name) {}

  DriverLauncher(CudaContext context, KernelImages images) {
    this.context = context;
    this.images = images;
  }

  @Override
  public long resolve(Kernel.Entry entry) {
    context.enter();
    if (context.isCapturing()) {
      throw new IllegalStateException(entry.name() + " would have to be loaded while capturing");
    }
    Function function = function(entry);
    int shared = entry.sharedBytes();
    if (shared > USUAL_SHARED_BYTES) {
      int most = context.properties().sharedBytesPerBlock();
      if (shared > most) {
        throw new DeviceException(
            "kernel %s needs %d bytes of shared memory: this card has %d a block"
                .formatted(entry.name(), shared, most));
      }
      context.check(
          JCudaDriver.cuFuncSetAttribute(
              function,
              CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
              shared),
          "cuFuncSetAttribute of " + entry.name());
    }
    functions.add(new Loaded(function.address(), shared, entry.kernel().block(), entry.name()));
    return functions.size() - 1L;
  }

  private Function function(Kernel.Entry entry) {
    CUmodule module = modules.computeIfAbsent(entry.module(), this::load);
    Function function = new Function();
    context.check(
        JCudaDriver.cuModuleGetFunction(function, module, entry.name()),
        "cuModuleGetFunction of " + entry.name());
    return function;
  }

  /**
   * Loads a kernel that may have been loaded before.
   *
   * @throws DeviceException where the card or the driver does not take it
   */
  void load(Kernel.Entry entry) {
    context.enter();
    function(entry);
  }

  private CUmodule load(String name) {
    byte[] ptx = images.ptx(name, context.properties().sm());
    ByteBuffer image = ByteBuffer.allocateDirect(ptx.length + 1).put(ptx).put((byte) 0).rewind();
    JITOptions options = new JITOptions();
    options.putBytes(CUjit_option.CU_JIT_ERROR_LOG_BUFFER, new byte[LOG_BYTES]);
    options.putInt(CUjit_option.CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, LOG_BYTES);
    CUmodule module = new CUmodule();
    long start = System.nanoTime();
    int status = JCudaDriver.cuModuleLoadDataJIT(module, Pointer.to(image), options);
    if (status != CUresult.CUDA_SUCCESS) {
      String why = firstLine(options.getBytes(CUjit_option.CU_JIT_ERROR_LOG_BUFFER));
      context.check(
          status, "cuModuleLoadDataEx of kernels/" + name + (why.isEmpty() ? "" : ": " + why));
    }
    log.debug("kernels/{} loaded in {} ms", name, (System.nanoTime() - start) / 1_000_000);
    return module;
  }

  private static String firstLine(byte[] text) {
    return new String(text, StandardCharsets.UTF_8)
        .replace("\0", "")
        .lines()
        .filter(l -> !l.isBlank())
        .findFirst()
        .orElse("");
  }

  // The same buffer, not an equal one: its address counts.
  @SuppressWarnings("ReferenceEquality")
  @Override
  public void launch(
      Kernel.Entry entry, long handle, int gridX, int gridY, int gridZ, KernelArgs args) {
    context.enter();
    Loaded f = functions.get((int) handle);
    context.enqueuing(f.name);
    if (pointedAt != args.slots()) {
      pointAt(args.slots());
    }
    int status =
        context
            .calls()
            .launchKernel(
                f.address,
                gridX,
                gridY,
                gridZ,
                f.block,
                f.sharedBytes,
                context.streamAddress(),
                pointers.address());
    if (status != 0) {
      context.check(status, "cuLaunchKernel of " + f.name);
    }
  }

  /** The driver takes the address of each argument: slot i, always. */
  private void pointAt(ByteBuffer slots) {
    long base = MemorySegment.ofBuffer(slots).address();
    for (int i = 0; i < KernelArgs.MAX_ARGS; i++) {
      pointers.setAtIndex(ValueLayout.JAVA_LONG, i, base + 8L * i);
    }
    pointedAt = slots;
  }

  @Override
  public void close() {
    if (!context.isLost()) {
      modules
          .values()
          .forEach(
              m -> {
                int _ = JCudaDriver.cuModuleUnload(m);
              });
    }
    modules.clear();
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
