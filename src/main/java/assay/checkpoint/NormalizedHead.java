package assay.checkpoint;

import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.model.WeightRole;
import assay.model.WeightSource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Map;

/**
 * A model whose head's rows are divided by their norm at every step (Baichuan 2), with that done
 * once: a Baichuan 1 (claim I7).
 */
public final class NormalizedHead implements WeightSource {
  private final WeightSource source;
  private final ModelConfig config;

  /** Closes {@code source} when it is closed itself. */
  public NormalizedHead(WeightSource source) {
    this.source = source;
    this.config = source.config().toBuilder().normalizedHead(false).build();
  }

  @Override
  public ModelConfig config() {
    return config;
  }

  @Override
  public String kind() {
    return source.kind();
  }

  @Override
  public DType storedType(TensorSpec spec) {
    return source.storedType(spec);
  }

  @Override
  public void read(TensorSpec spec, int firstRow, int rowCount, DType type, MemorySegment out) {
    if (spec.role() != WeightRole.HEAD) {
      source.read(spec, firstRow, rowCount, type, out);
      return;
    }
    int columns = Math.toIntExact(spec.columns());
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment row = arena.allocate(4L * columns, 64);
      for (int r = 0; r < rowCount; r++) {
        source.read(spec, firstRow + r, 1, DType.F32, row);
        float[] values = row.toArray(ValueLayout.JAVA_FLOAT);
        double squares = 0;
        for (float v : values) {
          squares += (double) v * v;
        }
        // torch.nn.functional.normalize: the norm is at least 1e-12.
        double inverse = 1 / Math.max(1e-12, Math.sqrt(squares));
        for (int i = 0; i < columns; i++) {
          values[i] = (float) (values[i] * inverse);
        }
        BlockFormat.encodeRow(type, values, 0, columns, out, r * type.rowBytes(columns));
      }
    }
  }

  @Override
  public Map<String, Long> nonFinite() {
    return source.nonFinite();
  }

  @Override
  public void close() {
    source.close();
  }
}
