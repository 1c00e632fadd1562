package assay.backend;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a device with memory and clocks of its own can say of itself while it works; a back end that
 * can implements it.
 */
public interface DeviceMonitor {
  /**
   * The device's memory by everybody's books.
   *
   * @param arenaBytes in the arenas that are open
   * @param scratchBytes of the back end's own, outside of arenas
   * @param driverUsedBytes what the driver counts as used on the whole device, by all processes
   * @param usedBeforeBytes the same before this process had a context there; null where it was not
   *     known
   * @param processBytes what the system counts as this process's, context and library handles
   *     included; null where it does not tell
   * @param contextBytes {@link #overheadBytes} right after the device was opened; null before
   */
  record MemoryBooks(
      long arenaBytes,
      long scratchBytes,
      long driverUsedBytes,
      @Nullable Long usedBeforeBytes,
      @Nullable Long processBytes,
      @Nullable Long contextBytes) {

    /**
     * Bytes of this process on the device: the system's figure, else what the device's use has
     * grown by, else all that is used.
     */
    public long takenBytes() {
      if (processBytes != null) {
        return processBytes;
      }
      return usedBeforeBytes == null ? driverUsedBytes : driverUsedBytes - usedBeforeBytes;
    }

    /**
     * Context, modules, library handles, rounding to pages: what is taken beyond all that was
     * allocated.
     */
    public long overheadBytes() {
      return takenBytes() - arenaBytes - scratchBytes;
    }

    /** Of these, what came after the device was opened; null where that is not known. */
    public @Nullable Long unexplainedBytes() {
      return contextBytes == null ? null : Long.valueOf(overheadBytes() - contextBytes);
    }
  }

  /** Memory now; waits for nothing. */
  MemoryBooks memoryBooks();

  /**
   * One look at the device. What it does not tell is null.
   *
   * @param atSeconds since the sampling began
   * @param smClockMhz clock of the arithmetic
   * @param memoryClockMhz clock of the memory
   * @param powerWatts drawn
   * @param temperatureCelsius of the chip
   * @param busyFraction share of the driver's last sample period in which some kernel was running,
   *     which is not how much of the device it used
   * @param memoryBusyFraction likewise for reading or writing memory
   * @param throttleReasons why the clocks are not higher, in words; empty for no reason
   */
  record Sample(
      double atSeconds,
      @Nullable Integer smClockMhz,
      @Nullable Integer memoryClockMhz,
      @Nullable Double powerWatts,
      @Nullable Integer temperatureCelsius,
      @Nullable Double busyFraction,
      @Nullable Double memoryBusyFraction,
      List<String> throttleReasons) {}

  /** One look now; null where the device tells nothing. */
  @Nullable Sample look();

  /** A thread that looks at the device every so often until it is closed. */
  interface Sampling extends AutoCloseable {
    /** Everything seen so far. */
    List<Sample> samples();

    @Override
    void close();
  }

  /**
   * Begins to sample, from a thread of its own that never touches the device's queue.
   *
   * @return null where the device tells nothing
   */
  @Nullable Sampling startSampling(double everySeconds);
}
