package assay.checkpoint;

import assay.model.AdapterShape;
import assay.model.AdapterSource;
import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.model.UserError;
import assay.model.WeightLayout;
import assay.model.WeightRole;
import assay.model.WeightSource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A base model with an adapter merged into it (claim T9): W + scale·B·A, summed in fp64 and rounded
 * once to fp32, then as any weight to the type that is asked for.
 */
public final class MergedWeights implements WeightSource {
  /** The part of a module that one matrix takes: rows [firstRow, …) of its B. */
  @SuppressWarnings("ArrayRecordComponent") // private, never compared
  private record Part(AdapterShape.Module module, float[] down, float[] up, int firstRow) {}

  private final WeightSource base;
  private final AdapterSource adapter;
  private final Map<TensorSpec, Part> parts = new HashMap<>();

  /**
   * Neither is owned.
   *
   * @throws UserError for a quantised base: its values are what the adapter was trained beside, and
   *     rounding the sum to few bits again would lose most of it
   */
  public MergedWeights(WeightSource base, AdapterSource adapter) {
    this.base = base;
    this.adapter = adapter;
    for (AdapterShape.Module m : adapter.shape().modules()) {
      float[] down = adapter.down(m);
      float[] up = adapter.up(m);
      int firstRow = 0;
      for (WeightRole role : m.roles()) {
        TensorSpec spec = spec(m.layer(), role);
        if (base.storedType(spec).isBlocked()) {
          throw new UserError(
              "%s is quantised (%s is %s): an adapter cannot be merged into it, run it unmerged"
                      .formatted(base.config().name(), spec, base.storedType(spec))
                  + " (--adapter)");
        }
        parts.put(spec, new Part(m, down, up, firstRow));
        firstRow += Math.toIntExact(spec.rows());
      }
    }
  }

  private TensorSpec spec(int layer, WeightRole role) {
    return WeightLayout.of(base.config()).stream()
        .filter(t -> t.layer() == layer && t.role() == role)
        .findFirst()
        .orElseThrow();
  }

  @Override
  public void read(TensorSpec spec, int firstRow, int rowCount, DType type, MemorySegment out) {
    Part part = parts.get(spec);
    if (part == null) {
      base.read(spec, firstRow, rowCount, type, out);
      return;
    }
    int columns = Math.toIntExact(spec.columns());
    float[] row = new float[columns];
    double[] sum = new double[columns];
    try (Arena scratch = Arena.ofConfined()) {
      MemorySegment f32 = scratch.allocate(4L * columns, 64);
      for (int r = 0; r < rowCount; r++) {
        base.read(spec, firstRow + r, 1, DType.F32, f32);
        BlockFormat.decodeRow(DType.F32, f32, 0, columns, row, 0);
        addProduct(part, firstRow + r, sum);
        for (int i = 0; i < columns; i++) {
          row[i] = (float) (row[i] + sum[i]);
        }
        BlockFormat.encodeRow(type, row, 0, columns, out, r * type.rowBytes(columns));
      }
    }
  }

  /** sum = row {@code r} of scale·B·A. */
  private static void addProduct(Part part, int r, double[] sum) {
    Arrays.fill(sum, 0);
    int rank = part.module().rank();
    int columns = sum.length;
    for (int k = 0; k < rank; k++) {
      double b = part.up()[(part.firstRow() + r) * rank + k];
      for (int i = 0; i < columns; i++) {
        sum[i] += b * part.down()[k * columns + i];
      }
    }
  }

  @Override
  public ModelConfig config() {
    return base.config();
  }

  @Override
  public String kind() {
    return base.kind();
  }

  @Override
  public DType storedType(TensorSpec spec) {
    return base.storedType(spec);
  }

  @Override
  public @Nullable AdapterSource adapter() {
    return null;
  }

  @Override
  public Map<String, Long> nonFinite() {
    Map<String, Long> out = new TreeMap<>(base.nonFinite());
    out.putAll(adapter.nonFinite());
    return out;
  }

  @Override
  public void close() {
    parts.clear();
  }
}
