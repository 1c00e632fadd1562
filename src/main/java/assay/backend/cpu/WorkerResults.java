package assay.backend.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Memory that each worker has for itself: there it leaves the result of a piece of work until it
 * may hand it over ({@link Workers.Revocable}). Belongs to the back end, not to a session, since a
 * late helper may still write to it when the next operation runs.
 */
final class WorkerResults implements AutoCloseable {
  /** Bytes per worker. */
  static final long BYTES = 16 * 1024;

  private final Arena arena = Arena.ofShared();
  private final long address;

  WorkerResults(int workers) {
    MemorySegment memory = arena.allocate(workers * BYTES, 4096);
    address = memory.address();
  }

  long of(int worker) {
    return address + worker * BYTES;
  }

  /** Only when the workers are gone. */
  @Override
  public void close() {
    arena.close();
  }
}
