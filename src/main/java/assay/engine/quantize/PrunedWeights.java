package assay.engine.quantize;

import assay.model.AdapterSource;
import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.model.UserError;
import assay.model.WeightSource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Another source's weights with the smallest magnitudes of each linear layer set to zero (claim
 * I9); embedding, head and vectors as they are.
 */
public final class PrunedWeights implements WeightSource {
  private final WeightSource source;
  private final double fraction;
  private final Map<TensorSpec, Float> thresholds = new ConcurrentHashMap<>();

  /** Sets at least {@code fraction} (0 to 1) of each matrix to zero; of equal magnitudes all go. */
  public PrunedWeights(WeightSource source, double fraction) {
    if (!(fraction >= 0 && fraction < 1)) {
      throw new UserError("pruned fraction " + fraction + ": expected 0 or more, below 1");
    }
    this.source = source;
    this.fraction = fraction;
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
    return source.storedType(spec);
  }

  @Override
  public void read(TensorSpec spec, int firstRow, int rowCount, DType type, MemorySegment out) {
    if (!spec.role().isMatrix() || spec.layer() < 0) {
      source.read(spec, firstRow, rowCount, type, out);
      return;
    }
    float threshold = thresholds.computeIfAbsent(spec, this::threshold);
    int columns = Math.toIntExact(spec.columns());
    float[] row = new float[columns];
    try (Arena scratch = Arena.ofConfined()) {
      MemorySegment f32 = scratch.allocate(4L * columns, 64);
      for (int r = 0; r < rowCount; r++) {
        source.read(spec, firstRow + r, 1, DType.F32, f32);
        BlockFormat.decodeRow(DType.F32, f32, 0, columns, row, 0);
        for (int i = 0; i < columns; i++) {
          row[i] = Math.abs(row[i]) <= threshold ? 0 : row[i];
        }
        BlockFormat.encodeRow(type, row, 0, columns, out, r * type.rowBytes(columns));
      }
    }
  }

  private float threshold(TensorSpec spec) {
    int drop = (int) (fraction * spec.elements());
    if (drop == 0) {
      return -1;
    }
    int columns = Math.toIntExact(spec.columns());
    float[] magnitudes = new float[Math.toIntExact(spec.elements())];
    try (Arena scratch = Arena.ofConfined()) {
      MemorySegment f32 = scratch.allocate(4L * columns, 64);
      for (int r = 0; r < spec.rows(); r++) {
        source.read(spec, r, 1, DType.F32, f32);
        BlockFormat.decodeRow(DType.F32, f32, 0, columns, magnitudes, r * columns);
      }
    }
    for (int i = 0; i < magnitudes.length; i++) {
      magnitudes[i] = Math.abs(magnitudes[i]);
    }
    Arrays.sort(magnitudes);
    return magnitudes[drop - 1];
  }

  @Override
  public @Nullable AdapterSource adapter() {
    return source.adapter();
  }

  /** The wrapped source stays open. */
  @Override
  public void close() {
    thresholds.clear();
  }
}
