package assay.backend.cuda;

import assay.backend.DeviceMonitor.Sample;
import assay.backend.DeviceMonitor.Sampling;
import assay.backend.cuda.ffm.Nvml;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Asks NVML every so often. A query costs some tens of microseconds of a host thread and nothing on
 * the device.
 */
final class GpuSampling implements Sampling {
  private final Nvml.Device device;
  private final long everyNs;
  private final long startNs = System.nanoTime();
  private final List<Sample> samples = new ArrayList<>();
  private final Thread thread;
  private volatile boolean stopped;

  GpuSampling(Nvml.Device device, double everySeconds) {
    this.device = device;
    this.everyNs = Math.max(1_000_000, (long) (everySeconds * 1e9));
    this.thread = Thread.ofPlatform().daemon().name("gpu-sampling").start(this::run);
  }

  private void run() {
    long next = System.nanoTime();
    while (!stopped) {
      Sample s = look(device, (System.nanoTime() - startNs) * 1e-9);
      synchronized (samples) {
        samples.add(s);
      }
      next += everyNs;
      long wait = next - System.nanoTime();
      if (wait > 0) {
        LockSupport.parkNanos(this, wait);
      } else {
        next = System.nanoTime(); // too late for it: no burst to catch up
      }
    }
  }

  static Sample look(Nvml.Device device, double atSeconds) {
    Optional<Nvml.Utilization> busy = device.utilization();
    OptionalInt power = device.powerMilliwatts();
    return new Sample(
        atSeconds,
        number(device.clockMhz(Nvml.Clock.SM)),
        number(device.clockMhz(Nvml.Clock.MEMORY)),
        power.isPresent() ? Double.valueOf(power.getAsInt() * 1e-3) : null,
        number(device.temperatureCelsius()),
        busy.isPresent() ? Double.valueOf(busy.get().gpuPercent() * 0.01) : null,
        busy.isPresent() ? Double.valueOf(busy.get().memoryPercent() * 0.01) : null,
        reasons(device.throttleReasons().orElse(0)));
  }

  private static @Nullable Integer number(OptionalInt value) {
    return value.isPresent() ? Integer.valueOf(value.getAsInt()) : null;
  }

  /**
   * The bits of nvmlClocksEventReasons in words; "idle" and user-set clocks slow a device down as
   * well.
   */
  static List<String> reasons(long bits) {
    String[] names = {
      "idle",
      "clocks set by the user",
      "power limit",
      "hardware slowdown",
      "clocks kept in step with other devices",
      "temperature",
      "hardware: temperature",
      "hardware: external power brake",
      "display clock setting"
    };
    List<String> out = new ArrayList<>();
    for (int i = 0; i < names.length; i++) {
      if ((bits >> i & 1) != 0) {
        out.add(names[i]);
      }
    }
    long rest = bits >> names.length;
    if (rest != 0) {
      out.add("reason 0x" + Long.toHexString(rest << names.length));
    }
    return out;
  }

  @Override
  public List<Sample> samples() {
    synchronized (samples) {
      return List.copyOf(samples);
    }
  }

  @Override
  public void close() {
    stopped = true;
    LockSupport.unpark(thread);
    boolean interrupted = false;
    while (true) {
      try {
        thread.join();
        break;
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
