package assay.engine;

import assay.tensor.MemoryCategory;
import java.util.EnumMap;
import java.util.Map;

/**
 * Device bytes of a session by category.
 *
 * @param tensorBytes exact bytes of all tensors
 * @param reservedBytes the same with each tensor rounded up to its alignment: what the device is
 *     asked for
 */
public record MemoryPlan(
    Map<MemoryCategory, Long> tensorBytes, Map<MemoryCategory, Long> reservedBytes) {

  /** Sum over categories of what the device is asked for. */
  public long totalReservedBytes() {
    return reservedBytes.values().stream().mapToLong(Long::longValue).sum();
  }

  static final class Collector {
    private final Map<MemoryCategory, Long> tensor = new EnumMap<>(MemoryCategory.class);
    private final Map<MemoryCategory, Long> reserved = new EnumMap<>(MemoryCategory.class);

    void put(MemoryCategory category, long tensorBytes, long reservedBytes) {
      tensor.merge(category, tensorBytes, Long::sum);
      reserved.merge(category, reservedBytes, Long::sum);
    }

    MemoryPlan done() {
      return new MemoryPlan(Map.copyOf(tensor), Map.copyOf(reserved));
    }
  }
}
