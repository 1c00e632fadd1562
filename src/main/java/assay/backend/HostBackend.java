package assay.backend;

import assay.model.UserError;
import assay.tensor.Arena;
import assay.tensor.HostArena;
import assay.tensor.HostBuffer;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What back ends on the CPU share: off-heap memory as device memory, transfers by copy, and
 * operations that have run when the call returns (which the interface allows). A recording keeps
 * the body and runs it again.
 */
public abstract class HostBackend implements Backend {
  private static final Path MEMINFO = Path.of("/proc/meminfo");
  private final AtomicLong liveBytes = new AtomicLong();

  /** For subclasses. */
  protected HostBackend() {}

  @Override
  public boolean sharesHostMemory() {
    return true;
  }

  @Override
  public DeviceMemory memory() {
    return hostMemory();
  }

  /**
   * Physical memory of this host: MemTotal and MemAvailable where the system tells, else what the
   * JVM knows.
   */
  public static DeviceMemory hostMemory() {
    try {
      long total = -1;
      long available = -1;
      for (String line : Files.readAllLines(MEMINFO)) {
        if (line.startsWith("MemTotal:")) {
          total = kibibytes(line);
        } else if (line.startsWith("MemAvailable:")) {
          available = kibibytes(line);
        }
      }
      if (total > 0 && available > 0) {
        return new DeviceMemory(total, available);
      }
    } catch (IOException e) {
      // Not Linux: the management bean below knows less but enough.
    }
    var os =
        (com.sun.management.OperatingSystemMXBean)
            java.lang.management.ManagementFactory.getOperatingSystemMXBean();
    return new DeviceMemory(os.getTotalMemorySize(), os.getFreeMemorySize());
  }

  private static long kibibytes(String line) {
    String[] words = line.trim().split("\\s+");
    return Long.parseLong(words[1]) * 1024;
  }

  @Override
  public long liveBytes() {
    return liveBytes.get();
  }

  @Override
  public Arena newArena(MemoryCategory category, long capacityBytes) {
    long free = memory().freeBytes();
    if (capacityBytes > free) {
      throw new UserError(
          UserError.DOES_NOT_FIT,
          "%s of %d bytes do not fit: %d bytes are free".formatted(category, capacityBytes, free));
    }
    return new HostArena(category, capacityBytes, liveBytes, this::beforeRelease);
  }

  /** Called before an arena's memory is freed: returns when nothing of this back end reads it. */
  protected void beforeRelease() {}

  @Override
  public void writeWeight(Tensor weight, int firstRow, int rowCount, MemorySegment source) {
    write(weight.rows(firstRow, rowCount), source);
  }

  @Override
  public void readWeight(Tensor weight, int firstRow, int rowCount, MemorySegment target) {
    read(weight.rows(firstRow, rowCount), target);
  }

  @Override
  public void write(Tensor target, MemorySegment source) {
    copyRows(target, source, true);
  }

  @Override
  public void read(Tensor source, MemorySegment target) {
    copyRows(source, target, false);
  }

  private static void copyRows(Tensor t, MemorySegment dense, boolean toTensor) {
    MemorySegment memory = HostBuffer.of(t);
    long rowBytes = t.type().rowBytes(t.columns());
    if (t.isDense()) {
      rowBytes = t.bytes();
    }
    for (long done = 0, at = t.offsetBytes(); done < t.bytes(); done += rowBytes) {
      if (toTensor) {
        MemorySegment.copy(dense, done, memory, at, rowBytes);
      } else {
        MemorySegment.copy(memory, at, dense, done, rowBytes);
      }
      at += t.rowStrideBytes();
    }
  }

  @Override
  public void zero(Tensor target) {
    HostBuffer.of(target).asSlice(target.offsetBytes(), target.bytes()).fill((byte) 0);
  }

  @Override
  public void fillUniform(Tensor out, long seed) {
    MemorySegment memory = HostBuffer.of(out);
    java.util.SplittableRandom random = new java.util.SplittableRandom(seed);
    for (int r = 0; r < out.rows(); r++) {
      for (int c = 0; c < out.columns(); c++) {
        memory.set(
            java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED,
            out.offsetBytes() + r * out.rowStrideBytes() + 4L * c,
            (random.nextLong() >>> 40) * 0x1p-24f);
      }
    }
  }

  @Override
  public void await() {
    // Operations have run when their call returns.
  }

  @Override
  public Recording record(Runnable body) {
    body.run();
    return new Recording() {
      @Override
      public void replay() {
        body.run();
      }

      @Override
      public void close() {
        // Holds nothing.
      }
    };
  }

  @Override
  public Mark newMark() {
    return new HostMark();
  }

  private static final class HostMark implements Mark {
    private long timeNs;

    @Override
    public void record() {
      timeNs = System.nanoTime();
    }

    @Override
    public double secondsSince(Mark earlier) {
      return (timeNs - ((HostMark) earlier).timeNs) * 1e-9;
    }

    @Override
    public void close() {
      // Holds nothing.
    }
  }

  @Override
  public void close() {
    long live = liveBytes.get();
    if (live != 0) {
      throw new IllegalStateException(live + " bytes of device memory are still in open arenas");
    }
  }
}
