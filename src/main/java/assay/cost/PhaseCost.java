package assay.cost;

import java.util.List;
import java.util.function.ToLongFunction;

/**
 * Several passes that belong together: the chunks of a prefill, or the steps of a decode.
 *
 * @param passes in order
 */
public record PhaseCost(List<PassCost> passes) {
  /** A copy that cannot change. */
  public PhaseCost {
    passes = List.copyOf(passes);
  }

  /** FLOPs of all passes. */
  public long flops() {
    return sum(PassCost::flops);
  }

  /** FLOPs of weight matrices. */
  public long matmulFlops() {
    return sum(PassCost::matmulFlops);
  }

  /** Weights read, once in every pass. */
  public long weightBytes() {
    return sum(PassCost::weightBytes);
  }

  /** Read from the KV cache. */
  public long kvReadBytes() {
    return sum(PassCost::kvReadBytes);
  }

  /** Everything moved. */
  public long bytes() {
    return sum(PassCost::bytes);
  }

  /** Operations called. */
  public long launches() {
    return sum(PassCost::launches);
  }

  private long sum(ToLongFunction<PassCost> f) {
    long total = 0;
    for (PassCost p : passes) {
      total = Math.addExact(total, f.applyAsLong(p));
    }
    return total;
  }
}
