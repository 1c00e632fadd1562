package assay.backend;

import java.util.Map;

/**
 * What a back end is, as results and {@code device} print it.
 *
 * @param kind {@code reference}, {@code cpu} or {@code cuda}
 * @param name the device's own name, such as the CPU or GPU model
 * @param implementation the class of code that really runs, such as {@code VectorCpuBackend}
 * @param facts further facts by name (driver, cuda, threads, vector_bits, …), in order
 */
public record BackendInfo(
    String kind, String name, String implementation, Map<String, String> facts) {
  /** The fact that a stand-in for tests states of itself, with the value {@code true}. */
  public static final String STAND_IN = "stand_in";

  /** Whether the tests' stand-in plays the device: nothing measured on it means anything. */
  public boolean isStandIn() {
    return "true".equals(facts.get(STAND_IN));
  }
}
