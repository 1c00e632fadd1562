package assay.engine;

import assay.model.WeightRole;
import assay.tensor.Tensor;

/**
 * Looks at intermediate results while a pass is enqueued; it may read tensors (which waits for the
 * device).
 */
public interface PassObserver {
  /**
   * The residual stream [n, hidden]: after the embedding ({@code layer} −1) and after each block.
   */
  default void residual(int layer, Tensor residual) {}

  /**
   * What a linear layer is about to multiply, [n, inputs]; {@code role} is its first matrix: Q, O,
   * UP (GATE where the MLP is gated) or DOWN.
   */
  default void input(int layer, WeightRole role, Tensor x) {}

  /**
   * Rows of the final norm's output and their logits F32 [count, vocabulary]: rows [firstRow,
   * firstRow + count) of the pass.
   */
  default void logits(int firstRow, Tensor normed, Tensor logits) {}
}
