package assay.model;

import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;

/**
 * Where weights come from: files or a seeded generator. Rows are always in the order and
 * orientation [out, in] of {@link WeightLayout}.
 */
public interface WeightSource extends AutoCloseable {
  /** The shape that these weights have. */
  ModelConfig config();

  /** {@code random} or {@code checkpoint}, as results call it. */
  String kind();

  /** The type in which the source holds this tensor. */
  DType storedType(TensorSpec spec);

  /**
   * Writes rows [firstRow, firstRow + rowCount) of a tensor as {@code type}, row-major without
   * gaps, to {@code out}. From the same stored values the same bytes come out every time, from any
   * thread. Where {@code type} is the stored type the bytes are those of the source.
   *
   * @throws UserError when the source does not hold such a tensor
   */
  void read(TensorSpec spec, int firstRow, int rowCount, DType type, MemorySegment out);

  /**
   * The generator of a tensor's elements, where they come from one: a device with the same
   * generator then fills its memory with the same bits by itself, or with those of a generator of
   * its own where that will do.
   */
  default Optional<RandomStream> randomStream(TensorSpec spec) {
    return Optional.empty();
  }

  /** The largest magnitude of a tensor's elements, or a bound on it, where it is known already. */
  default OptionalDouble largestMagnitude(TensorSpec spec) {
    return OptionalDouble.empty();
  }

  /**
   * NaN and infinite values seen by {@link #read} so far, by the source's name of the tensor; empty
   * where all was finite.
   */
  default Map<String, Long> nonFinite() {
    return Map.of();
  }

  /** Low-rank adapters that run beside these weights, unmerged; null for none. */
  default @Nullable AdapterSource adapter() {
    return null;
  }

  @Override
  void close();
}
