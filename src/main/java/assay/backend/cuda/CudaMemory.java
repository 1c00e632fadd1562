package assay.backend.cuda;

import assay.backend.DeviceMemory;
import assay.backend.cuda.Handles.DevicePointer;
import assay.model.DType;
import assay.model.UserError;
import assay.tensor.Arena;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import assay.tensor.TensorPlan;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/**
 * The ledger: every piece of device memory that this back end holds. Arenas are the callers';
 * scratch pieces are its own, for operations outside of any session.
 */
final class CudaMemory {
  private final CudaContext context;
  private final Set<CudaArena> arenas = new LinkedHashSet<>();
  private final List<DevicePointer> scratch = new ArrayList<>();
  private long arenaBytes;
  private long scratchBytes;

  CudaMemory(CudaContext context) {
    this.context = context;
  }

  /** What the driver says now. */
  DeviceMemory driver() {
    context.enter();
    long[] free = new long[1];
    long[] total = new long[1];
    context.check(JCudaDriver.cuMemGetInfo(free, total), "cuMemGetInfo");
    return new DeviceMemory(total[0], free[0]);
  }

  /** Bytes of open arenas. */
  long arenaBytes() {
    return arenaBytes;
  }

  /** Bytes of scratch outside of arenas. */
  long scratchBytes() {
    return scratchBytes;
  }

  /** Reserves memory for tensors. */
  Arena newArena(MemoryCategory category, long capacityBytes) {
    refuseWhileCapturing(capacityBytes);
    long free = driver().freeBytes();
    if (capacityBytes > free) {
      throw doesNotFit(category.toString(), capacityBytes, free);
    }
    CudaArena arena =
        new CudaArena(category, allocate(category.toString(), capacityBytes), capacityBytes);
    arenas.add(arena);
    arenaBytes += capacityBytes;
    return arena;
  }

  private void refuseWhileCapturing(long bytes) {
    context.enter();
    if (context.isCapturing()) {
      throw new IllegalStateException(bytes + " bytes are allocated inside of a recording");
    }
  }

  private static UserError doesNotFit(String what, long bytes, long free) {
    return new UserError(
        UserError.DOES_NOT_FIT,
        "%s of %d bytes do not fit: %d bytes are free".formatted(what, bytes, free));
  }

  private DevicePointer allocate(String what, long bytes) {
    DevicePointer pointer = new DevicePointer();
    int status = JCudaDriver.cuMemAlloc(pointer, Math.max(1, bytes));
    if (status == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
      // Free, but not in one piece, or taken by another process meanwhile.
      throw new UserError(
          UserError.DOES_NOT_FIT,
          "CUDA_ERROR_OUT_OF_MEMORY in cuMemAlloc: %s of %d bytes do not fit: %d bytes are free"
              .formatted(what, bytes, driver().freeBytes()));
    }
    context.check(status, "cuMemAlloc of " + bytes + " bytes for " + what);
    return pointer;
  }

  /** A piece of scratch that lives as long as the back end: recordings may hold its address. */
  long newScratch(long bytes) {
    refuseWhileCapturing(bytes);
    DevicePointer pointer = allocate("scratch", bytes);
    scratch.add(pointer);
    scratchBytes += bytes;
    return pointer.address();
  }

  /** Memory that was reserved before, for tensors to be cut from it. */
  CudaBuffer window(long address, long bytes) {
    return new CudaBuffer(context, address, bytes);
  }

  /** Where a tensor begins; refuses memory of other devices and of closed arenas. */
  long address(Tensor t) {
    if (!(t.buffer() instanceof CudaBuffer b) || !b.belongsTo(context)) {
      throw new IllegalArgumentException(t + " is not on this device");
    }
    if (!b.isAlive()) {
      throw new IllegalArgumentException(t + " belongs to a closed arena");
    }
    return b.address() + t.offsetBytes();
  }

  /**
   * Frees everything.
   *
   * @return what the callers had left open, in words; empty where nothing was
   */
  List<String> close() {
    List<String> open =
        arenas.stream().map(a -> a.category + " of " + a.capacityBytes + " bytes").toList();
    List.copyOf(arenas).forEach(CudaArena::close);
    scratch.forEach(this::free);
    scratch.clear();
    scratchBytes = 0;
    return open;
  }

  private void free(DevicePointer pointer) {
    if (!context.isLost()) {
      // Waits for what is enqueued. With a lost context the memory goes when that is reset.
      context.check(JCudaDriver.cuMemFree(pointer), "cuMemFree");
    }
  }

  private final class CudaArena implements Arena {
    private final MemoryCategory category;
    private final DevicePointer base;
    private final long capacityBytes;
    private final CudaBuffer buffer;
    private long usedBytes;
    private long tensorBytes;

    CudaArena(MemoryCategory category, DevicePointer base, long capacityBytes) {
      this.category = category;
      this.base = base;
      this.capacityBytes = capacityBytes;
      this.buffer = new CudaBuffer(context, base.address(), capacityBytes);
    }

    @Override
    public MemoryCategory category() {
      return category;
    }

    @Override
    public Tensor allocate(DType type, int rows, int columns) {
      long bytes = type.bytes(rows, columns);
      long next = Math.addExact(usedBytes, TensorPlan.padded(bytes));
      if (next > capacityBytes) {
        throw new IllegalStateException(
            "%s arena of %d bytes cannot take %d more after %d"
                .formatted(category, capacityBytes, bytes, usedBytes));
      }
      Tensor t = Tensor.rowMajor(buffer, usedBytes, type, rows, columns);
      usedBytes = next;
      tensorBytes += bytes;
      return t;
    }

    @Override
    public long tensorBytes() {
      return tensorBytes;
    }

    @Override
    public long reservedBytes() {
      return capacityBytes;
    }

    @Override
    public void close() {
      if (arenas.remove(this)) {
        buffer.dead();
        arenaBytes -= capacityBytes;
        free(base);
      }
    }
  }
}
