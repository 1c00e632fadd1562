package assay.backend.cpu;

import static assay.backend.cpu.kernel.RawMemory.getFloat;
import static assay.backend.cpu.kernel.RawMemory.setFloat;

import assay.backend.cpu.kernel.RowKernels;

/**
 * Softmax over scores that come in blocks (Milakov and Gimelshein 2018): the largest score so far
 * and the sum of exponentials relative to it, two fp32 in scratch memory. When a block raises the
 * maximum, what was summed before is scaled down.
 */
final class OnlineSoftmax {
  static final int BYTES = 8;

  private OnlineSoftmax() {}

  /** Nothing seen yet. */
  static void start(long state) {
    setFloat(state, Float.NEGATIVE_INFINITY);
    setFloat(state + 4, 0);
  }

  /**
   * Takes in {@code count} scores, which become their weights relative to the new maximum, and
   * scales {@code sums}, the {@code width} weighted sums so far, to match.
   */
  static void add(RowKernels rows, long state, long scores, int count, long sums, int width) {
    float before = getFloat(state);
    float max = Math.max(before, rows.max(scores, count));
    if (max == Float.NEGATIVE_INFINITY) {
      for (int i = 0; i < count; i++) {
        setFloat(scores + 4L * i, 0);
      }
      return;
    }
    float sum = rows.expMinus(scores, max, count);
    if (before == max) {
      sum += getFloat(state + 4);
    } else if (before != Float.NEGATIVE_INFINITY) {
      float factor = (float) Math.exp((double) before - max);
      sum += factor * getFloat(state + 4);
      rows.scale(sums, factor, width, sums);
    }
    setFloat(state, max);
    setFloat(state + 4, sum);
  }

  /** out = sums / sum of weights; zeros where nothing was seen. */
  static void finish(RowKernels rows, long state, long sums, int width, long out) {
    float sum = getFloat(state + 4);
    rows.scale(sums, sum == 0 ? 0 : 1 / sum, width, out);
  }
}
