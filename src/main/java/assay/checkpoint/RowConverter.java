package assay.checkpoint;

import assay.model.DType;
import assay.model.TensorSpec;
import assay.model.WeightSource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.LongUnaryOperator;
import java.util.stream.IntStream;

/** Reads a tensor from its source in chunks, converted in parallel, for writing it to a file. */
final class RowConverter {
  private static final long CHUNK_BYTES = 32L << 20;

  /** Takes rows in order. */
  interface Chunks {
    /**
     * Some rows.
     *
     * @param firstRow in the order of the file
     */
    void take(long firstRow, MemorySegment bytes);
  }

  private RowConverter() {}

  /** Rows as the source has them; a vector is one row. */
  static void convert(WeightSource source, TensorSpec spec, DType type, Chunks to) {
    convert(source, spec, type, row -> row, to);
  }

  /**
   * Rows in another order.
   *
   * @param ours which row of the source comes at a row of the file
   */
  static void convert(
      WeightSource source, TensorSpec spec, DType type, LongUnaryOperator ours, Chunks to) {
    long rows = spec.role().isMatrix() ? spec.rows() : 1;
    long rowBytes = type.rowBytes(spec.columns());
    int chunk = (int) Math.clamp(CHUNK_BYTES / rowBytes, 1, rows);
    try (Arena arena = Arena.ofShared()) {
      MemorySegment staging = arena.allocate(rowBytes * chunk, 64);
      for (long first = 0; first < rows; first += chunk) {
        long begin = first;
        int count = (int) Math.min(chunk, rows - first);
        IntStream.range(0, count)
            .parallel()
            .forEach(
                r ->
                    source.read(
                        spec,
                        Math.toIntExact(ours.applyAsLong(begin + r)),
                        1,
                        type,
                        staging.asSlice(r * rowBytes, rowBytes)));
        to.take(first, staging.asSlice(0, count * rowBytes));
      }
    }
  }
}
