package assay.measure;

import assay.backend.Backend;
import assay.backend.DeviceMemory;
import assay.backend.DeviceMonitor;
import assay.engine.MemoryPlan;
import assay.engine.Session;
import assay.tensor.MemoryCategory;
import org.jspecify.annotations.Nullable;

/**
 * Bytes of an open session as they were really cut from its arenas.
 *
 * @param overheadBytes what is taken beyond the tensors: on a device with memory of its own, what
 *     its driver reports as used by this process; on a host, the alignment of tensors and whatever
 *     else the back end holds in arenas
 * @param residentBytes of the process, on a host; it includes the JVM, and weights on their way
 */
record MemoryReading(
    long weightsBytes,
    long kvCacheBytes,
    long activationsBytes,
    long workspaceBytes,
    long overheadBytes,
    @Nullable Long residentBytes) {

  /** Reads now. */
  static MemoryReading of(Session session, Backend device) {
    MemoryPlan plan = session.memory();
    long tensors = plan.tensorBytes().values().stream().mapToLong(Long::longValue).sum();
    boolean host = device.sharesHostMemory();
    long taken =
        device instanceof DeviceMonitor m
            ? m.memoryBooks().takenBytes()
            : host ? device.liveBytes() : used(device.memory());
    var resident = ProcFile.residentBytes();
    return new MemoryReading(
        bytes(plan, MemoryCategory.WEIGHTS),
        bytes(plan, MemoryCategory.KV_CACHE),
        bytes(plan, MemoryCategory.ACTIVATIONS),
        bytes(plan, MemoryCategory.WORKSPACE),
        Math.max(0, taken - tensors),
        host && resident.isPresent() ? Long.valueOf(resident.getAsLong()) : null);
  }

  private static long used(DeviceMemory m) {
    return m.totalBytes() - m.freeBytes();
  }

  private static long bytes(MemoryPlan plan, MemoryCategory category) {
    return plan.tensorBytes().getOrDefault(category, 0L);
  }

  long totalBytes() {
    return weightsBytes + kvCacheBytes + activationsBytes + workspaceBytes + overheadBytes;
  }
}
