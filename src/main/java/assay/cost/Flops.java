package assay.cost;

import assay.model.Activation;
import assay.model.NormKind;

/**
 * Floating-point operations of each kind of operation: the one home of what counts. An addition,
 * multiplication, division, comparison or transcendental function is 1, a multiply-add 2. Copying,
 * converting between storage types, gathering and sampling count nothing.
 */
public final class Flops {
  private Flops() {}

  /** x · Wᵀ of [rows, in] by [out, in]: 2 per multiply-add. */
  public static long matmul(long rows, long in, long out) {
    return product(2, rows, in, out);
  }

  /** Adding a bias, a residual or a position vector: 1 per element. */
  public static long add(long rows, long width) {
    return product(rows, width);
  }

  /**
   * RMS: square, add, times inverse, times gain (4 per element). LAYER: also subtract the mean that
   * was summed first, add the bias (7). One more where a residual is added first. The root and
   * division per row are left out (at most 3 in {@code width}).
   */
  public static long norm(NormKind kind, long rows, long width, boolean residual) {
    long own = kind == NormKind.RMS ? 4 : 7;
    long perElement = residual ? own + 1 : own;
    return product(perElement, rows, width);
  }

  /** Rotation of pairs: 4 multiplications and 2 additions per 2 elements. */
  public static long rope(long rows, long width) {
    return product(3, rows, width);
  }

  /**
   * Attention over {@code pairs} visible pairs of query and key position (per head), all sequences
   * together: q·k and p·v are 2·headDim each; scaling, maximum, subtraction, exponential and sum
   * are 5; ALiBi 2 more; the division at the end is headDim per row and head.
   */
  public static long attention(long pairs, long rows, long nHeads, long headDim, boolean alibi) {
    long perPair = 4 * headDim + 5 + (alibi ? 2 : 0);
    return Math.addExact(product(perPair, pairs, nHeads), product(rows, nHeads, headDim));
  }

  /** The two matrix products of attention alone: 4·headDim per visible pair and head. */
  public static long attentionProducts(long pairs, long nHeads, long headDim) {
    return product(4, pairs, nHeads, headDim);
  }

  /** The MLP's activation on [rows, width]; a gate adds one multiplication. */
  public static long activation(Activation f, boolean gated, long rows, long width) {
    long perElement =
        switch (f) {
          case RELU, TANH -> 1;
          case SILU, SIGMOID -> 4;
          case GELU_ERF, HARDSWISH -> 5;
          case GELU_TANH -> 9;
        };
    return product(perElement + (gated ? 1 : 0), rows, width);
  }

  private static long product(long... factors) {
    long p = 1;
    for (long f : factors) {
      p = Math.multiplyExact(p, f);
    }
    return p;
  }
}
