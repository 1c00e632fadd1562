package assay.train;

import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.model.WeightSource;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashMap;
import java.util.Map;

/** The weights of a training step as they were when this was made: a source to write files from. */
public final class TrainedWeights implements WeightSource {
  private final ModelConfig config;
  private final Map<TensorSpec, float[]> values = new LinkedHashMap<>();

  /** Copies the weights. */
  public TrainedWeights(TrainingStep<?> step) {
    config = step.config();
    for (TensorSpec s : step.specs()) {
      values.put(s, step.read(s, TrainingStep.Part.WEIGHT));
    }
  }

  @Override
  public ModelConfig config() {
    return config;
  }

  @Override
  public String kind() {
    return "checkpoint";
  }

  @Override
  public DType storedType(TensorSpec spec) {
    return DType.F32;
  }

  @Override
  public void read(TensorSpec spec, int firstRow, int rowCount, DType type, MemorySegment out) {
    float[] all = values.get(spec);
    if (all == null) {
      throw new IllegalArgumentException("not a tensor of this model: " + spec);
    }
    int columns = Math.toIntExact(spec.columns());
    for (int r = 0; r < rowCount; r++) {
      long to = r * type.rowBytes(columns);
      BlockFormat.encodeRow(type, all, (firstRow + r) * columns, columns, out, to);
    }
  }

  @Override
  public void close() {}
}
