package assay.cli;

import assay.backend.DeviceMonitor;
import assay.backend.cuda.CudaBackend;
import assay.units.Bytes;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * What {@code assay device} says of a GPU beyond what it says of every device: who counts which
 * memory, the clocks of this moment, and which kernels load.
 */
final class GpuInspection {
  private final DeviceMonitor.MemoryBooks books;
  private final DeviceMonitor.@Nullable Sample now;
  private final List<CudaBackend.KernelStatus> kernels;
  private final List<String> missing;

  /** Looks at an open GPU; loads all kernels. */
  GpuInspection(CudaBackend gpu) {
    books = gpu.memoryBooks();
    now = gpu.look();
    kernels = gpu.kernels();
    missing = gpu.missing();
  }

  /** What is not there and what to do, kernels that do not load among it. */
  List<String> missing() {
    List<String> out = new java.util.ArrayList<>(missing);
    kernels.stream()
        .filter(k -> k.failure() != null)
        .forEach(k -> out.add("kernels/" + k.module() + ".cu: " + k.failure()));
    return out;
  }

  /** For the JSON document. */
  Map<String, Object> document() {
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("memory", books);
    out.put("now", now);
    out.put("kernels", kernels);
    return out;
  }

  void print(PrintWriter out) {
    out.printf(
        "  used on the whole device: %s%s%n", Bytes.format(books.driverUsedBytes()), before());
    out.printf(
        "  of this process: %s (its context, modules and library handles: %s)%n",
        Bytes.format(books.takenBytes()), Bytes.format(books.overheadBytes()));
    if (now != null) {
      out.println("  now: " + words(now));
    }
    Map<String, Long> targets =
        kernels.stream()
            .filter(k -> k.failure() == null)
            .collect(
                Collectors.groupingBy(
                    CudaBackend.KernelStatus::target, TreeMap::new, Collectors.counting()));
    long loaded = targets.values().stream().mapToLong(Long::longValue).sum();
    out.printf(
        "  kernels: %d of %d files load (%s)%n",
        loaded,
        kernels.size(),
        targets.entrySet().stream()
            .map(t -> t.getValue() + " for " + t.getKey())
            .collect(Collectors.joining(", ")));
  }

  private String before() {
    Long before = books.usedBeforeBytes();
    return before == null ? "" : ", before this process came " + Bytes.format(before);
  }

  /** One look in words: what the device does not tell is left out. */
  static String words(DeviceMonitor.Sample s) {
    List<String> out = new java.util.ArrayList<>();
    if (s.smClockMhz() != null) {
      out.add("SMs at " + s.smClockMhz() + " MHz");
    }
    if (s.memoryClockMhz() != null) {
      out.add("memory at " + s.memoryClockMhz() + " MHz");
    }
    if (s.powerWatts() != null) {
      out.add(String.format(Locale.ROOT, "%.1f W", s.powerWatts()));
    }
    if (s.temperatureCelsius() != null) {
      out.add(s.temperatureCelsius() + " °C");
    }
    out.add(
        "clocks held down by: "
            + (s.throttleReasons().isEmpty() ? "nothing" : String.join(", ", s.throttleReasons())));
    return String.join(", ", out);
  }
}
