package assay.measure;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;

/** Reads what Linux tells under /proc and /sys; elsewhere there is nothing and that is said. */
final class ProcFile {
  private ProcFile() {}

  /** The lines, or none where there is no such file. */
  static List<String> lines(String path) {
    try {
      return Files.readAllLines(Path.of(path));
    } catch (IOException e) {
      return List.of();
    }
  }

  /** The number of kibibytes behind {@code name:} as bytes. */
  static OptionalLong kibibytes(String path, String name) {
    for (String line : lines(path)) {
      if (line.startsWith(name + ":")) {
        String[] words = line.substring(name.length() + 1).trim().split("\\s+");
        return OptionalLong.of(Long.parseLong(words[0]) * 1024);
      }
    }
    return OptionalLong.empty();
  }

  /** Bytes of this process in physical memory. */
  static OptionalLong residentBytes() {
    return kibibytes("/proc/self/status", "VmRSS");
  }

  /** Bytes of the last-level cache that the first processor uses. */
  static OptionalLong lastLevelCacheBytes() {
    long largest = -1;
    for (int i = 0; i < 8; i++) {
      List<String> size = lines("/sys/devices/system/cpu/cpu0/cache/index" + i + "/size");
      if (!size.isEmpty()) {
        largest = Math.max(largest, suffixed(size.getFirst().trim()));
      }
    }
    return largest > 0 ? OptionalLong.of(largest) : OptionalLong.empty();
  }

  private static long suffixed(String size) {
    long unit = size.endsWith("K") ? 1L << 10 : size.endsWith("M") ? 1L << 20 : 1;
    String digits = unit == 1 ? size : size.substring(0, size.length() - 1);
    return Long.parseLong(digits) * unit;
  }
}
