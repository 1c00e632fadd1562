package assay.train;

import java.util.EnumMap;
import java.util.Map;

/**
 * Floating-point operations that were really asked for, by phase and operation. An addition,
 * multiplication, division, comparison or transcendental function is 1, a multiply-add 2; copies
 * and zeroing count nothing; causal attention counts only the pairs that the mask lets through.
 */
public final class FlopCount {
  private final Map<Phase, Map<TrainingOp, Long>> counts = new EnumMap<>(Phase.class);

  void add(Phase phase, TrainingOp op, long flops) {
    counts
        .computeIfAbsent(phase, p -> new EnumMap<>(TrainingOp.class))
        .merge(op, flops, Math::addExact);
  }

  void clear() {
    counts.clear();
  }

  FlopCount copy() {
    FlopCount out = new FlopCount();
    counts.forEach((phase, ops) -> ops.forEach((op, n) -> out.add(phase, op, n)));
    return out;
  }

  /** Of one operation in one phase. */
  public long of(Phase phase, TrainingOp op) {
    return counts.getOrDefault(phase, Map.of()).getOrDefault(op, 0L);
  }

  /** Of one phase. */
  public long of(Phase phase) {
    return counts.getOrDefault(phase, Map.of()).values().stream().mapToLong(x -> x).sum();
  }

  /** Of one operation in all phases. */
  public long of(TrainingOp op) {
    return counts.values().stream().mapToLong(m -> m.getOrDefault(op, 0L)).sum();
  }

  /** Of everything. */
  public long total() {
    return counts.keySet().stream().mapToLong(this::of).sum();
  }

  @Override
  public String toString() {
    return counts.toString();
  }
}
