package assay.tensor;

import assay.model.DType;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Off-heap memory of this process as "device memory", for back ends that compute on the CPU. Large
 * arenas ask for huge pages ({@link HugePages}).
 */
public final class HostArena implements assay.tensor.Arena {
  private final MemoryCategory category;
  private final java.lang.foreign.Arena memory;
  private final HostBuffer buffer;
  private final AtomicLong liveBytes;
  private final Runnable beforeRelease;
  private long usedBytes;
  private long tensorBytes;

  private final long capacityBytes;

  /** Takes {@code capacityBytes}, zero-filled, and adds them to {@code liveBytes} until closed. */
  public HostArena(MemoryCategory category, long capacityBytes, AtomicLong liveBytes) {
    this(category, capacityBytes, liveBytes, () -> {});
  }

  /** The same; {@code beforeRelease} runs before the memory is freed. */
  @SuppressWarnings("restricted")
  public HostArena(
      MemoryCategory category, long capacityBytes, AtomicLong liveBytes, Runnable beforeRelease) {
    this.beforeRelease = beforeRelease;
    this.category = category;
    this.memory = java.lang.foreign.Arena.ofShared();
    this.liveBytes = liveBytes;
    try {
      MemorySegment huge = HugePages.allocate(capacityBytes, memory);
      MemorySegment owned =
          huge != null ? huge : memory.allocate(Math.max(1, capacityBytes), ALIGNMENT_BYTES);
      // An alias in the global scope: hot loops then pay no liveness check and see one kind of
      // segment only. Safe because every operation first asks isAlive().
      MemorySegment alias = MemorySegment.ofAddress(owned.address()).reinterpret(owned.byteSize());
      this.buffer = new HostBuffer(alias, memory.scope());
    } catch (Throwable t) {
      memory.close();
      throw t;
    }
    liveBytes.addAndGet(capacityBytes);
    this.capacityBytes = capacityBytes;
  }

  @Override
  public MemoryCategory category() {
    return category;
  }

  @Override
  public Tensor allocate(DType type, int rows, int columns) {
    long bytes = type.bytes(rows, columns);
    long next = usedBytes + TensorPlan.padded(bytes);
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
    if (memory.scope().isAlive()) {
      beforeRelease.run();
      memory.close();
      liveBytes.addAndGet(-capacityBytes);
    }
  }
}
