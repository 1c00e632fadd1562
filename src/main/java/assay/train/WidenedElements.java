package assay.train;

import assay.engine.AttentionPath;
import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.model.WeightLayout;

/** How many elements a device needs room for that computes on fp32 copies of operands. */
final class WidenedElements {
  private WidenedElements() {}

  /** All operands of the largest operation; 0 where everything is fp32. */
  static long of(ModelConfig c, TrainingOptions o) {
    if (o.types().equals(StepTypes.F32)) {
      return 0;
    }
    long n = o.rows();
    long h = c.hiddenSize();
    long scores =
        o.attention() == AttentionPath.STORED ? product(product(n, c.nHeads()), o.tokens()) : 0;
    long most = Math.addExact(product(4 * n, c.qDim() + (long) c.kvDim()), scores);
    most = Math.max(most, product(5 * n, c.intermediateSize()));
    most = Math.max(most, product(3 * n + 2, h));
    for (TensorSpec s : WeightLayout.of(c)) {
      // Logits are fp32: of the head's product only its input and its matrix are widened.
      long activations = s.layer() < 0 ? product(2 * n, h) : product(n, s.rows() + s.columns());
      most = Math.max(most, Math.addExact(s.elements(), activations));
    }
    return most;
  }

  private static long product(long a, long b) {
    return Math.multiplyExact(a, b);
  }
}
