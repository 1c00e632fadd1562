package assay.train;

import assay.model.DType;
import assay.tensor.MemoryCategory;
import assay.tensor.TensorPlan;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** Every tensor of a training step with its exact bytes. */
public final class Ledger {
  /**
   * One tensor.
   *
   * @param name what it is for; tensors of a block carry its number
   */
  public record Entry(
      String name, MemoryCategory category, DType type, int rows, int columns, long bytes) {}

  private final List<Entry> entries = new ArrayList<>();

  void add(String name, MemoryCategory category, DType type, int rows, int columns) {
    entries.add(new Entry(name, category, type, rows, columns, type.bytes(rows, columns)));
  }

  /** All tensors in the order of their allocation. */
  public List<Entry> entries() {
    return List.copyOf(entries);
  }

  /** Exact bytes by category. */
  public Map<MemoryCategory, Long> bytes() {
    Map<MemoryCategory, Long> out = new EnumMap<>(MemoryCategory.class);
    entries.forEach(e -> out.merge(e.category, e.bytes, Math::addExact));
    return out;
  }

  /** Bytes by category, each tensor rounded up to its alignment. */
  public Map<MemoryCategory, Long> reservedBytes() {
    Map<MemoryCategory, Long> out = new EnumMap<>(MemoryCategory.class);
    entries.forEach(e -> out.merge(e.category, TensorPlan.padded(e.bytes), Math::addExact));
    return out;
  }

  /** Exact bytes of one category. */
  public long bytes(MemoryCategory category) {
    return bytes().getOrDefault(category, 0L);
  }

  /** Exact bytes of everything. */
  public long totalBytes() {
    return bytes().values().stream().mapToLong(Long::longValue).sum();
  }
}
