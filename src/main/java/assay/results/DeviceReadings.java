package assay.results;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a device with memory and clocks of its own said of itself around a measurement. What it does
 * not tell is null.
 *
 * @param allocatedBytes everything that the program allocated there, padding and scratch included
 * @param driverUsedBytes used on the whole device by all processes
 * @param usedBeforeBytes the same before this process came
 * @param processBytes what the driver counts as this process's
 * @param contextBytes what opening the device took beyond what was allocated: context and handles
 * @param unexplainedBytes what this process holds beyond all of these: modules loaded later,
 *     rounding to pages
 * @param smClockMhz clock of the arithmetic while it was timed
 * @param memoryClockMhz clock of the memory
 * @param powerWatts drawn
 * @param temperatureCelsius of the chip
 * @param busyFraction share of the driver's sample periods in which some kernel was running, which
 *     is not how much of the device it used
 * @param throttleReasons why the clocks were not higher at some time, in words
 * @param decodeWithoutGraphSeconds one decode pass with its operations enqueued one by one
 */
public record DeviceReadings(
    long allocatedBytes,
    long driverUsedBytes,
    @Nullable Long usedBeforeBytes,
    @Nullable Long processBytes,
    @Nullable Long contextBytes,
    @Nullable Long unexplainedBytes,
    @Nullable Range smClockMhz,
    @Nullable Range memoryClockMhz,
    @Nullable Range powerWatts,
    @Nullable Range temperatureCelsius,
    @Nullable Double busyFraction,
    @Nullable List<String> throttleReasons,
    @Nullable Times decodeWithoutGraphSeconds) {
  /** Checks the counts; unexplained bytes may be negative, where the driver shares pages. */
  public DeviceReadings {
    Numbers.count("measured.device.allocated_bytes", allocatedBytes);
    Numbers.count("measured.device.driver_used_bytes", driverUsedBytes);
    Numbers.count("measured.device.used_before_bytes", usedBeforeBytes);
    Numbers.count("measured.device.process_bytes", processBytes);
    Numbers.fraction("measured.device.busy_fraction", busyFraction);
    throttleReasons = throttleReasons == null ? null : List.copyOf(throttleReasons);
  }

  /**
   * Samples of one quantity.
   *
   * @param samples how many
   */
  public record Range(double median, double min, double max, int samples) {}
}
