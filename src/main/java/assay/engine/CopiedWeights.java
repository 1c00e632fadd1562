package assay.engine;

import assay.backend.Backend;
import assay.model.AdapterSource;
import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.model.WeightSource;
import assay.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;

/**
 * Weights that a device made by a generator of its own, copied back as they are stored there, so
 * that another back end can run on exactly the same; whatever the device did not make itself comes
 * from where the device had it from. Any thread may read.
 */
public final class CopiedWeights implements WeightSource {
  /** Rows of one tensor, row-major and dense, as {@code type}; values are {@code scale} times. */
  private record Copy(DType type, float scale, MemorySegment rows) {}

  private final WeightSource source;
  private final Arena arena = Arena.ofShared();
  private final Map<TensorSpec, Copy> copies = new HashMap<>();

  private CopiedWeights(WeightSource source) {
    this.source = source;
  }

  /**
   * Copies what the device made.
   *
   * @param source that the weights on the device were loaded from
   */
  static CopiedWeights of(Backend backend, WeightSource source, Weights weights) {
    CopiedWeights out = new CopiedWeights(source);
    try {
      for (Weights.Placement p : weights.placements()) {
        if (WeightLoader.isOwn(backend, source, p)) {
          out.copy(backend, p);
        }
      }
      return out;
    } catch (Throwable t) {
      out.close();
      throw t;
    }
  }

  private void copy(Backend backend, Weights.Placement p) {
    Tensor t = p.tensor();
    int rows = Math.toIntExact(p.spec().rows());
    MemorySegment host = arena.allocate(t.type().bytes(rows, t.columns()), 64);
    backend.readWeight(t, p.first(), rows, host);
    copies.put(p.spec(), new Copy(t.type(), t.scale(), host));
  }

  /** Whether anything was copied: else all of it is the source's own. */
  public boolean isEmpty() {
    return copies.isEmpty();
  }

  @Override
  public ModelConfig config() {
    return source.config();
  }

  @Override
  public String kind() {
    return source.kind();
  }

  @Override
  public DType storedType(TensorSpec spec) {
    Copy c = copies.get(spec);
    return c == null ? source.storedType(spec) : c.type;
  }

  @Override
  public void read(TensorSpec spec, int firstRow, int rowCount, DType type, MemorySegment out) {
    Copy c = copies.get(spec);
    if (c == null) {
      source.read(spec, firstRow, rowCount, type, out);
      return;
    }
    int columns = Math.toIntExact(spec.columns());
    long rowBytes = c.type.rowBytes(columns);
    if (type == c.type && c.scale == 1) {
      MemorySegment.copy(c.rows, firstRow * rowBytes, out, 0, rowCount * rowBytes);
      return;
    }
    float[] row = new float[columns];
    for (int r = 0; r < rowCount; r++) {
      BlockFormat.decodeRow(c.type, c.rows, (firstRow + r) * rowBytes, columns, row, 0);
      for (int i = 0; i < columns; i++) {
        row[i] *= c.scale;
      }
      BlockFormat.encodeRow(type, row, 0, columns, out, r * type.rowBytes(columns));
    }
  }

  /**
   * What the device's factor of an fp8 matrix came from, so that the same factor comes out again.
   */
  @Override
  public OptionalDouble largestMagnitude(TensorSpec spec) {
    Copy c = copies.get(spec);
    return c == null || c.type != DType.F8E4M3
        ? source.largestMagnitude(spec)
        : OptionalDouble.of((double) c.scale * WeightLoader.F8_MAX);
  }

  @Override
  public Map<String, Long> nonFinite() {
    return source.nonFinite();
  }

  @Override
  public @Nullable AdapterSource adapter() {
    return source.adapter();
  }

  /** Frees the copies; the source belongs to whoever opened it. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
