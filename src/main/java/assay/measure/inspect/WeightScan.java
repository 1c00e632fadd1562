package assay.measure.inspect;

import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.TensorSpec;
import assay.model.WeightSource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.stream.IntStream;

/**
 * Reads every value of a tensor once or twice and says what it found (claim I9's zeros; NaN is
 * said, not hidden).
 */
public final class WeightScan {
  /** A weight is near zero below this share of its tensor's root mean square. */
  public static final double NEAR = 0.01;

  private static final int ROWS = 64;

  /**
   * What a tensor holds.
   *
   * @param zeros exactly zero
   * @param nearZero magnitude below {@link #NEAR} of the root mean square, zeros among them
   * @param nonFinite NaN or infinite
   * @param rms root mean square of the finite values
   * @param largest largest finite magnitude
   */
  public record Values(long zeros, long nearZero, long nonFinite, double rms, double largest) {}

  private record Sums(long zeros, long nonFinite, double squares, double largest) {
    static final Sums NONE = new Sums(0, 0, 0, 0);

    Sums plus(Sums o) {
      return new Sums(
          zeros + o.zeros,
          nonFinite + o.nonFinite,
          squares + o.squares,
          Math.max(largest, o.largest));
    }
  }

  private WeightScan() {}

  /** Scans one tensor, rows in parallel. */
  public static Values of(WeightSource weights, TensorSpec t) {
    int parts = Math.ceilDiv(Math.toIntExact(t.rows()), ROWS);
    Sums sums =
        IntStream.range(0, parts)
            .parallel()
            .mapToObj(part -> sums(rows(weights, t, part)))
            .reduce(Sums.NONE, Sums::plus);
    long finite = t.elements() - sums.nonFinite;
    double rms = finite == 0 ? 0 : Math.sqrt(sums.squares / finite);
    double limit = NEAR * rms;
    long near =
        IntStream.range(0, parts)
            .parallel()
            .mapToLong(part -> below(rows(weights, t, part), limit))
            .sum();
    return new Values(sums.zeros, near, sums.nonFinite, rms, sums.largest);
  }

  private static float[] rows(WeightSource weights, TensorSpec t, int part) {
    int first = part * ROWS;
    int count = Math.min(ROWS, Math.toIntExact(t.rows()) - first);
    int columns = Math.toIntExact(t.columns());
    float[] out = new float[Math.multiplyExact(count, columns)];
    try (Arena scratch = Arena.ofConfined()) {
      MemorySegment bytes = scratch.allocate(4L * out.length, 64);
      weights.read(t, first, count, DType.F32, bytes);
      for (int r = 0; r < count; r++) {
        BlockFormat.decodeRow(DType.F32, bytes, 4L * r * columns, columns, out, r * columns);
      }
    }
    return out;
  }

  private static Sums sums(float[] values) {
    long zeros = 0;
    long nonFinite = 0;
    double squares = 0;
    double largest = 0;
    for (float v : values) {
      if (!Float.isFinite(v)) {
        nonFinite++;
      } else {
        zeros += v == 0 ? 1 : 0;
        squares += (double) v * v;
        largest = Math.max(largest, Math.abs(v));
      }
    }
    return new Sums(zeros, nonFinite, squares, largest);
  }

  private static long below(float[] values, double limit) {
    long n = 0;
    for (float v : values) {
      n += Math.abs(v) <= limit && Float.isFinite(v) ? 1 : 0;
    }
    return n;
  }
}
