package assay.measure.experiment;

import assay.backend.Backend;
import assay.measure.DeviceCache;
import assay.model.DType;
import assay.tensor.Arena;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import assay.tensor.TensorPlan;
import org.jspecify.annotations.Nullable;

/** Memory of twice the device's cache, written over to push everything else out of it. */
final class CacheFlush implements AutoCloseable {
  private static final int COLUMNS = 1 << 16;

  private final Backend backend;
  private final @Nullable Arena arena;
  private final @Nullable Tensor memory;

  CacheFlush(Backend backend) {
    this.backend = backend;
    long bytes = DeviceCache.flushBytes(backend);
    if (bytes == 0) {
      arena = null;
      memory = null;
      return;
    }
    int rows = Math.toIntExact((bytes + COLUMNS - 1) / COLUMNS);
    TensorPlan plan = new TensorPlan();
    plan.allocate(DType.U8, rows, COLUMNS);
    arena = backend.newArena(MemoryCategory.WORKSPACE, plan.reservedBytes());
    memory = arena.allocate(DType.U8, rows, COLUMNS);
  }

  /** Enqueues the writing; nothing where there is no such cache. */
  void flush() {
    if (memory != null) {
      backend.zero(memory);
    }
  }

  @Override
  public void close() {
    if (arena != null) {
      backend.await();
      arena.close();
    }
  }
}
