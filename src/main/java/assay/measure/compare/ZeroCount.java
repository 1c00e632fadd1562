package assay.measure.compare;

import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.Precision;
import assay.model.TensorSpec;
import assay.model.WeightLayout;
import assay.model.WeightSource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.stream.IntStream;

/** How sparse stored weights are (claim I9). */
final class ZeroCount {
  private static final int ROWS = 64;

  private ZeroCount() {}

  /** Share of all weights that are exactly zero as stored. */
  static double of(WeightSource weights, Precision precision) {
    long zeros = 0;
    for (TensorSpec t : WeightLayout.of(weights.config())) {
      int rows = Math.toIntExact(t.rows());
      zeros +=
          IntStream.range(0, Math.ceilDiv(rows, ROWS))
              .parallel()
              .mapToLong(
                  part -> {
                    int first = part * ROWS;
                    return zeros(weights, t, precision, first, Math.min(ROWS, rows - first));
                  })
              .sum();
    }
    return (double) zeros / weights.config().parameters();
  }

  private static long zeros(
      WeightSource weights, TensorSpec t, Precision precision, int first, int count) {
    DType type = t.storedType(precision) == DType.F8E4M3 ? DType.F32 : t.storedType(precision);
    int columns = Math.toIntExact(t.columns());
    float[] row = new float[columns];
    long n = 0;
    try (Arena scratch = Arena.ofConfined()) {
      MemorySegment bytes = scratch.allocate(type.bytes(count, columns), 64);
      weights.read(t, first, count, type, bytes);
      for (int r = 0; r < count; r++) {
        BlockFormat.decodeRow(type, bytes, r * type.rowBytes(columns), columns, row, 0);
        for (float v : row) {
          n += v == 0 ? 1 : 0;
        }
      }
    }
    return n;
  }
}
