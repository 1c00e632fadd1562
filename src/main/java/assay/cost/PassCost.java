package assay.cost;

import assay.model.OpKind;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToLongFunction;

/**
 * One forward pass, operation by operation.
 *
 * @param shape what was asked for
 * @param ops in the order of the pass; alike layers are one entry with more launches
 */
public record PassCost(PassShape shape, List<OpCost> ops) {
  /** A copy that cannot change. */
  public PassCost {
    ops = List.copyOf(ops);
  }

  /** All of it, in FLOPs. */
  public long flops() {
    return sum(OpCost::flops);
  }

  /** FLOPs of weight matrices (projections, MLP, head). */
  public long matmulFlops() {
    return ops.stream().filter(o -> o.kind() == OpKind.MATMUL).mapToLong(OpCost::flops).sum();
  }

  /** FLOPs by part. */
  public Map<Part, Long> flopsByPart() {
    Map<Part, Long> out = new EnumMap<>(Part.class);
    ops.forEach(o -> out.merge(o.part(), o.flops(), Math::addExact));
    return out;
  }

  /** Bytes of weights read. */
  public long weightBytes() {
    return sum(OpCost::weightBytes);
  }

  /** Bytes read from the KV cache. */
  public long kvReadBytes() {
    return sum(OpCost::kvReadBytes);
  }

  /** Everything moved. */
  public long bytes() {
    return sum(OpCost::bytes);
  }

  /** Operations called. */
  public long launches() {
    return sum(OpCost::launches);
  }

  private long sum(ToLongFunction<OpCost> f) {
    long total = 0;
    for (OpCost o : ops) {
      total = Math.addExact(total, f.applyAsLong(o));
    }
    return total;
  }
}
