package assay.backend.cpu.kernel;

import assay.model.Activation;
import assay.model.NormKind;

/**
 * Operations on single rows of fp32 at absolute, unchecked addresses. Sums are fp32, one per lane
 * and more. Counts are at least 1.
 */
public interface RowKernels {
  /** x += delta. */
  void add(long x, long delta, int count);

  /** out = x · factor; out may be x. */
  void scale(long x, float factor, int count, long out);

  /**
   * out = (x − m) · gain / √(mean (x − m)² + eps), m being 0 for RMS and the mean for LAYER; out
   * may be x.
   */
  void norm(NormKind kind, long x, long gain, float eps, int count, long out);

  /**
   * Rotates elements i and i + headDim/2 of each of {@code heads} heads by the angles whose cosines
   * and then sines are at {@code table}.
   */
  void rope(long x, int heads, int headDim, long table);

  /** out = act(x), times up where that is not 0. */
  void activate(Activation activation, long x, long up, int count, long out);

  /** The largest element; NaN if there is one. */
  float max(long x, int count);

  /** x = e^(x − max), {@code max} finite; returns their sum. −∞ becomes 0. */
  float expMinus(long x, float max, int count);

  /**
   * out[j] = factor · Σ query · keys[j] for {@code count} keys of {@code width} elements without
   * gaps.
   */
  void scores(long query, long keys, int count, int width, float factor, long out);

  /**
   * out += Σ_j weights[j] · values[j] for {@code count} values of {@code width} elements without
   * gaps.
   */
  void addWeighted(long weights, long values, int count, int width, long out);
}
