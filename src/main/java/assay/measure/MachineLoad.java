package assay.measure;

import java.lang.management.ManagementFactory;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Who used the processors during a stretch of time: this process, which is {@code device_busy} on a
 * CPU, and others, which spoil a measurement.
 */
final class MachineLoad {
  /** Linux counts in ticks of 1/100 s whatever the kernel's own clock is. */
  private static final double TICK_SECONDS = 0.01;

  private final long startNs = System.nanoTime();
  private final long startCpuNs = processCpuNs();
  private final @Nullable Double startBusySeconds = busySeconds();

  /**
   * @param own processor seconds of this process over elapsed × processors
   * @param others the same for everything else, stolen time of a virtual machine included; null
   *     where the system does not tell
   */
  record Shares(double own, @Nullable Double others) {}

  /** Shares since this object was made. */
  Shares shares() {
    double elapsed = (System.nanoTime() - startNs) * 1e-9;
    double capacity = elapsed * Runtime.getRuntime().availableProcessors();
    double own = (processCpuNs() - startCpuNs) * 1e-9;
    Double busy = busySeconds();
    Double others =
        busy == null || startBusySeconds == null
            ? null
            : Math.max(0, busy - startBusySeconds - own) / capacity;
    return new Shares(Math.min(1, own / capacity), others);
  }

  private static long processCpuNs() {
    var os =
        (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    return os.getProcessCpuTime();
  }

  /** Seconds of all processors that were not idle: user, nice, system, irq, softirq, steal. */
  private static @Nullable Double busySeconds() {
    List<String> lines = ProcFile.lines("/proc/stat");
    if (lines.isEmpty() || !lines.getFirst().startsWith("cpu ")) {
      return null;
    }
    String[] ticks = lines.getFirst().substring(4).trim().split("\\s+");
    double busy = 0;
    for (int i = 0; i < Math.min(8, ticks.length); i++) {
      if (i != 3 && i != 4) { // idle, iowait
        busy += Long.parseLong(ticks[i]) * TICK_SECONDS;
      }
    }
    return busy;
  }
}
