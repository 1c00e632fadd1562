package assay.measure;

import assay.backend.Backend;
import assay.backend.BackendInfo;
import assay.results.Environment;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Describes the machine and the program for a result. */
public final class Environments {
  private Environments() {}

  /** What this back end runs on, and this program. */
  public static Environment describe(Backend backend) {
    BackendInfo info = backend.info();
    Map<String, String> facts = new LinkedHashMap<>(info.facts());
    String driver = facts.remove("driver");
    String cuda = facts.remove("cuda");
    Integer threads = number(facts.remove("threads"));
    BuildInfo build = BuildInfo.current();
    return new Environment(
        info.kind(),
        info.name(),
        info.implementation(),
        driver,
        cuda,
        cpuModel(),
        Runtime.getRuntime().availableProcessors(),
        threads,
        hostName(),
        System.getProperty("os.name") + " " + System.getProperty("os.version"),
        System.getProperty("java.vm.vendor") + " " + Runtime.version(),
        build.version(),
        build.git(),
        backend.memory().totalBytes(),
        facts);
  }

  private static @Nullable Integer number(@Nullable String text) {
    return text != null && text.matches("\\d{1,6}") ? Integer.valueOf(text) : null;
  }

  /** The processor's own name. */
  public static String cpuModel() {
    for (String line : ProcFile.lines("/proc/cpuinfo")) {
      if (line.startsWith("model name")) {
        return line.substring(line.indexOf(':') + 1).trim();
      }
    }
    return System.getProperty("os.arch");
  }

  private static @Nullable String hostName() {
    try {
      return InetAddress.getLocalHost().getHostName();
    } catch (UnknownHostException e) {
      return null;
    }
  }
}
