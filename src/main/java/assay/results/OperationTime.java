package assay.results;

import assay.model.UserError;
import org.jspecify.annotations.Nullable;

/**
 * One kind of operation in one phase, from a pass in which each operation was awaited by itself.
 *
 * @param phase {@code prefill} or {@code decode} (of one pass)
 * @param operation the operation's name, such as {@code matmul}
 * @param shape what it worked on, such as {@code 288→960}
 * @param calls how many in the phase
 * @param seconds of all calls together
 * @param flops of all calls together
 * @param bytes read and written by all calls together
 */
public record OperationTime(
    String phase,
    String operation,
    @Nullable String shape,
    int calls,
    double seconds,
    @Nullable Long flops,
    @Nullable Long bytes) {
  /** Checks the numbers. */
  public OperationTime {
    if (!(seconds >= 0 && Double.isFinite(seconds)) || calls < 1) {
      throw new UserError(
          "operation %s of %s s in %d calls: expected no negative time, 1 call or more"
              .formatted(operation, seconds, calls));
    }
    Numbers.count("operations.flops", flops);
    Numbers.count("operations.bytes", bytes);
  }
}
