package assay.backend.cuda.ffm;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * NVIDIA's management library: what the driver's API does not tell. Whatever a card, a driver or a
 * container does not support is absent. Any thread may call it.
 */
public final class Nvml implements AutoCloseable {
  /** Clock domains of nvmlClockType_t. */
  public enum Clock {
    SM(1),
    MEMORY(2);

    private final int code;

    Clock(int code) {
      this.code = code;
    }
  }

  private static final int SUCCESS = 0;
  private static final int INSUFFICIENT_SIZE = 7;
  private static final int TEMPERATURE_GPU = 0;
  private static final int TEXT_BYTES = 96;

  /** nvmlProcessInfo_t: pid, padding, usedGpuMemory, two instance ids. */
  private static final int PROCESS_BYTES = 24;

  /** NVML_VALUE_NOT_AVAILABLE. */
  private static final long NOT_AVAILABLE = -1;

  private final NativeLibrary library;
  private final Map<String, Optional<MethodHandle>> functions = new HashMap<>();

  private Nvml(NativeLibrary library) {
    this.library = library;
  }

  /** Starts the library up; empty when it refuses. */
  public static Optional<Nvml> start(NativeLibrary library) {
    Nvml nvml = new Nvml(library);
    Optional<MethodHandle> init = nvml.find("nvmlInit_v2", FunctionDescriptor.of(JAVA_INT));
    if (init.isEmpty()) {
      return Optional.empty();
    }
    try {
      return (int) init.get().invokeExact() == SUCCESS ? Optional.of(nvml) : Optional.empty();
    } catch (Throwable e) {
      throw DriverCalls.unexpected(e);
    }
  }

  private synchronized Optional<MethodHandle> find(String name, FunctionDescriptor type) {
    return functions.computeIfAbsent(name, n -> library.function(n, type));
  }

  /** Version of the driver, such as 550.54.15. */
  public Optional<String> driverVersion() {
    return systemText("nvmlSystemGetDriverVersion");
  }

  /** Version of this library. */
  public Optional<String> version() {
    return systemText("nvmlSystemGetNVMLVersion");
  }

  private Optional<String> systemText(String function) {
    Optional<MethodHandle> h = find(function, FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT));
    if (h.isEmpty()) {
      return Optional.empty();
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment text = arena.allocate(TEXT_BYTES);
      int status = (int) h.get().invokeExact(text, TEXT_BYTES);
      return status == SUCCESS ? Optional.of(text.getString(0)) : Optional.empty();
    } catch (Throwable e) {
      throw DriverCalls.unexpected(e);
    }
  }

  /** The device with this PCI bus id, such as 0000:65:00.0. */
  public Optional<Device> device(String pciBusId) {
    Optional<MethodHandle> h =
        find("nvmlDeviceGetHandleByPciBusId_v2", FunctionDescriptor.of(JAVA_INT, ADDRESS, ADDRESS));
    if (h.isEmpty()) {
      return Optional.empty();
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment handle = arena.allocate(ADDRESS);
      int status = (int) h.get().invokeExact(arena.allocateFrom(pciBusId), handle);
      return status == SUCCESS
          ? Optional.of(new Device(handle.get(JAVA_LONG, 0)))
          : Optional.empty();
    } catch (Throwable e) {
      throw DriverCalls.unexpected(e);
    }
  }

  @Override
  public void close() {
    find("nvmlShutdown", FunctionDescriptor.of(JAVA_INT))
        .ifPresent(
            h -> {
              try {
                int _ = (int) h.invokeExact();
              } catch (Throwable e) {
                throw DriverCalls.unexpected(e);
              }
            });
  }

  /**
   * Memory of a device as NVML counts it.
   *
   * @param totalBytes all of it
   * @param freeBytes what nobody uses
   * @param usedBytes by all processes, with the driver's own reserve
   */
  public record Memory(long totalBytes, long freeBytes, long usedBytes) {}

  /**
   * Shares of the last sample period in which a kernel was running, and in which memory was read or
   * written.
   *
   * @param gpuPercent 0 to 100
   * @param memoryPercent 0 to 100
   */
  public record Utilization(int gpuPercent, int memoryPercent) {}

  /** One GPU. */
  public final class Device {
    private final long handle;

    private Device(long handle) {
      this.handle = handle;
    }

    /** Memory of the whole card, or of this MIG instance. */
    public Optional<Memory> memory() {
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment out = arena.allocate(MemoryLayout.sequenceLayout(3, JAVA_LONG));
        return call("nvmlDeviceGetMemoryInfo", out)
            ? Optional.of(
                new Memory(
                    out.getAtIndex(JAVA_LONG, 0),
                    out.getAtIndex(JAVA_LONG, 1),
                    out.getAtIndex(JAVA_LONG, 2)))
            : Optional.empty();
      }
    }

    /** Device memory of this process; absent in containers that hide the process's own id. */
    public OptionalLong processBytes(long pid) {
      Optional<MethodHandle> h =
          find(
              "nvmlDeviceGetComputeRunningProcesses_v3",
              FunctionDescriptor.of(JAVA_INT, JAVA_LONG, ADDRESS, ADDRESS));
      if (h.isEmpty()) {
        return OptionalLong.empty();
      }
      int capacity = 256;
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment count = arena.allocate(JAVA_INT);
        count.set(JAVA_INT, 0, capacity);
        MemorySegment processes = arena.allocate((long) capacity * PROCESS_BYTES, 8);
        int status = (int) h.get().invokeExact(handle, count, processes);
        if (status != SUCCESS && status != INSUFFICIENT_SIZE) {
          return OptionalLong.empty();
        }
        int found = Math.min(capacity, count.get(JAVA_INT, 0));
        for (int i = 0; i < found; i++) {
          long used = processes.get(JAVA_LONG, (long) i * PROCESS_BYTES + 8);
          if (processes.get(JAVA_INT, (long) i * PROCESS_BYTES) == pid && used != NOT_AVAILABLE) {
            return OptionalLong.of(used);
          }
        }
        return OptionalLong.empty();
      } catch (Throwable e) {
        throw DriverCalls.unexpected(e);
      }
    }

    /** Present clock in MHz. */
    public OptionalInt clockMhz(Clock clock) {
      return number("nvmlDeviceGetClockInfo", clock.code);
    }

    /** Highest clock in MHz. */
    public OptionalInt maxClockMhz(Clock clock) {
      return number("nvmlDeviceGetMaxClockInfo", clock.code);
    }

    /** Milliwatts drawn. */
    public OptionalInt powerMilliwatts() {
      return number("nvmlDeviceGetPowerUsage");
    }

    /** Milliwatts that the power limit in force allows. */
    public OptionalInt powerLimitMilliwatts() {
      return number("nvmlDeviceGetEnforcedPowerLimit");
    }

    /** Degrees Celsius of the chip. */
    public OptionalInt temperatureCelsius() {
      return number("nvmlDeviceGetTemperature", TEMPERATURE_GPU);
    }

    /** Bits of nvmlClocksEventReasons. */
    public OptionalLong throttleReasons() {
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment out = arena.allocate(JAVA_LONG);
        // The older name, which newer libraries keep.
        return call("nvmlDeviceGetCurrentClocksThrottleReasons", out)
            ? OptionalLong.of(out.get(JAVA_LONG, 0))
            : OptionalLong.empty();
      }
    }

    /** What nvidia-smi calls utilisation. */
    public Optional<Utilization> utilization() {
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment out = arena.allocate(MemoryLayout.sequenceLayout(2, JAVA_INT));
        return call("nvmlDeviceGetUtilizationRates", out)
            ? Optional.of(new Utilization(out.getAtIndex(JAVA_INT, 0), out.getAtIndex(JAVA_INT, 1)))
            : Optional.empty();
      }
    }

    /** Whether error correction is on now. */
    public Optional<Boolean> ecc() {
      return mode("nvmlDeviceGetEccMode");
    }

    /** Whether the card is divided into instances (MIG) now. */
    public Optional<Boolean> mig() {
      return mode("nvmlDeviceGetMigMode");
    }

    /** Energy in millijoules since the driver was loaded. */
    public OptionalLong energyMillijoules() {
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment out = arena.allocate(JAVA_LONG);
        return call("nvmlDeviceGetTotalEnergyConsumption", out)
            ? OptionalLong.of(out.get(JAVA_LONG, 0))
            : OptionalLong.empty();
      }
    }

    private Optional<Boolean> mode(String function) {
      Optional<MethodHandle> h =
          find(function, FunctionDescriptor.of(JAVA_INT, JAVA_LONG, ADDRESS, ADDRESS));
      if (h.isEmpty()) {
        return Optional.empty();
      }
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment current = arena.allocate(JAVA_INT);
        int status = (int) h.get().invokeExact(handle, current, arena.allocate(JAVA_INT));
        return status == SUCCESS ? Optional.of(current.get(JAVA_INT, 0) != 0) : Optional.empty();
      } catch (Throwable e) {
        throw DriverCalls.unexpected(e);
      }
    }

    private OptionalInt number(String function) {
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment out = arena.allocate(JAVA_INT);
        return call(function, out) ? OptionalInt.of(out.get(JAVA_INT, 0)) : OptionalInt.empty();
      }
    }

    private OptionalInt number(String function, int argument) {
      Optional<MethodHandle> h =
          find(function, FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_INT, ADDRESS));
      if (h.isEmpty()) {
        return OptionalInt.empty();
      }
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment out = arena.allocate(JAVA_INT);
        int status = (int) h.get().invokeExact(handle, argument, out);
        return status == SUCCESS ? OptionalInt.of(out.get(JAVA_INT, 0)) : OptionalInt.empty();
      } catch (Throwable e) {
        throw DriverCalls.unexpected(e);
      }
    }

    private boolean call(String function, MemorySegment out) {
      @Nullable MethodHandle h =
          find(function, FunctionDescriptor.of(JAVA_INT, JAVA_LONG, ADDRESS)).orElse(null);
      if (h == null) {
        return false;
      }
      try {
        return (int) h.invokeExact(handle, out) == SUCCESS;
      } catch (Throwable e) {
        throw DriverCalls.unexpected(e);
      }
    }
  }
}
