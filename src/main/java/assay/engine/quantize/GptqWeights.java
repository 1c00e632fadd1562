package assay.engine.quantize;

import assay.model.AdapterSource;
import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.model.WeightLayout;
import assay.model.WeightSource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.atomic.DoubleAdder;
import java.util.function.DoubleConsumer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Another source's weights, the linear layers of the blocks rounded layer-wise; embedding, head and
 * vectors as they are.
 */
public final class GptqWeights implements WeightSource {
  private final WeightSource source;
  private final DType type;
  private final Arena memory = Arena.ofShared();
  private final Map<TensorSpec, MemorySegment> rounded = new HashMap<>();
  private final DoubleAdder gptqError = new DoubleAdder();
  private final DoubleAdder plainError = new DoubleAdder();

  /**
   * Rounds every linear layer for which there are moments.
   *
   * @param progress hears the share done
   */
  public GptqWeights(
      WeightSource source, DType type, InputMoments moments, DoubleConsumer progress) {
    this.source = source;
    this.type = type;
    long total = source.config().parameters();
    long done = 0;
    for (TensorSpec t : WeightLayout.of(source.config())) {
      double[][] h = t.role().isMatrix() ? moments.of(t.layer(), t.role()) : null;
      if (h != null && t.layer() >= 0) {
        rounded.put(t, round(t, h));
      }
      done += t.elements();
      progress.accept((double) done / total);
    }
  }

  private MemorySegment round(TensorSpec t, double[][] moments) {
    int rows = Math.toIntExact(t.rows());
    int columns = Math.toIntExact(t.columns());
    long rowBytes = type.rowBytes(columns);
    MemorySegment out = memory.allocate(type.bytes(rows, columns), 64);
    Gptq gptq = new Gptq(type, moments);
    IntStream.range(0, rows)
        .parallel()
        .forEach(
            r -> {
              double[] row = row(t, r);
              gptq.quantizeRow(row.clone(), out, r * rowBytes);
              gptqError.add(Gptq.outputError(row, type, out, r * rowBytes, moments));
              try (Arena scratch = Arena.ofConfined()) {
                MemorySegment plain = Gptq.plain(type, row, scratch);
                plainError.add(Gptq.outputError(row, type, plain, 0, moments));
              }
            });
    return out;
  }

  private double[] row(TensorSpec t, int r) {
    int columns = Math.toIntExact(t.columns());
    float[] values = new float[columns];
    try (Arena scratch = Arena.ofConfined()) {
      MemorySegment f32 = scratch.allocate(4L * columns, 64);
      source.read(t, r, 1, DType.F32, f32);
      BlockFormat.decodeRow(DType.F32, f32, 0, columns, values, 0);
    }
    double[] out = new double[columns];
    for (int i = 0; i < columns; i++) {
      out[i] = values[i];
    }
    return out;
  }

  /** Squared error of all layers' outputs over that of plain rounding, on the calibration text. */
  public double errorOverPlainRounding() {
    return gptqError.sum() / plainError.sum();
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
    return rounded.containsKey(spec) ? type : source.storedType(spec);
  }

  @Override
  public void read(TensorSpec spec, int firstRow, int rowCount, DType as, MemorySegment out) {
    MemorySegment stored = rounded.get(spec);
    if (stored == null) {
      source.read(spec, firstRow, rowCount, as, out);
      return;
    }
    int columns = Math.toIntExact(spec.columns());
    long rowBytes = type.rowBytes(columns);
    if (as == type) {
      MemorySegment.copy(stored, firstRow * rowBytes, out, 0, rowCount * rowBytes);
      return;
    }
    float[] row = new float[columns];
    for (int r = 0; r < rowCount; r++) {
      BlockFormat.decodeRow(type, stored, (firstRow + r) * rowBytes, columns, row, 0);
      BlockFormat.encodeRow(as, row, 0, columns, out, r * as.rowBytes(columns));
    }
  }

  @Override
  public @Nullable AdapterSource adapter() {
    return source.adapter();
  }

  /** Frees the rounded weights; the wrapped source stays open. */
  @Override
  public void close() {
    if (memory.scope().isAlive()) {
      memory.close();
    }
  }
}
