package assay.results;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The machine and the program that measured.
 *
 * @param device {@code cpu}, {@code cuda} or {@code reference}
 * @param name the device's own name
 * @param implementation the class of code that ran
 * @param driver the device's driver; absent on a CPU
 * @param cuda the CUDA version; absent on a CPU
 * @param cpu the host's processor
 * @param cores processors that the JVM may use
 * @param threads threads that the back end computes with
 * @param host name of the host
 * @param os operating system and its version
 * @param java the JVM
 * @param assay this program's version
 * @param git the commit it was built from
 * @param deviceMemoryBytes all of the device's memory
 * @param facts further facts that the back end tells of itself
 */
public record Environment(
    String device,
    String name,
    @Nullable String implementation,
    @Nullable String driver,
    @Nullable String cuda,
    @Nullable String cpu,
    @Nullable Integer cores,
    @Nullable Integer threads,
    @Nullable String host,
    @Nullable String os,
    @Nullable String java,
    @Nullable String assay,
    @Nullable String git,
    @Nullable Long deviceMemoryBytes,
    @Nullable Map<String, String> facts) {
  /** Checks that the device is named. */
  public Environment {
    Numbers.present("environment.device", device);
    Numbers.present("environment.name", name);
    Numbers.count("environment.device_memory_bytes", deviceMemoryBytes);
    facts = facts == null ? null : Collections.unmodifiableMap(new LinkedHashMap<>(facts));
  }

  /** Whether a stand-in for tests played the device: its figures mean nothing. */
  public boolean isStandIn() {
    return facts != null && "true".equals(facts.get("stand_in"));
  }
}
