package assay.measure.experiment;

import assay.backend.Backend;
import assay.checkpoint.RandomWeights;
import assay.engine.Session;
import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.NormKind;
import assay.model.TensorSpec;
import assay.model.WeightRole;
import assay.model.WeightSource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Map;

/** I7: a Baichuan 2 head normalised once, offline, against normalised at load. */
final class ModelExperiments {
  private ModelExperiments() {}

  /** Logits of every position of one sequence, in one pass. */
  static float[] logits(Backend backend, WeightSource weights, int[] ids) {
    try (Session session = Session.open(backend, weights, MaskExperiments.options(ids.length))) {
      session.start(new int[][] {ids});
      MaskExperiments.AllLogits all = new MaskExperiments.AllLogits(session, ids.length);
      session.observePrefill(all);
      return all.all();
    }
  }

  static Outcome normalizedHead(Backend backend) {
    ModelConfig two =
        ModelConfig.builder("baichuan2", "baichuan")
            .size(2, 64, 96)
            .heads(4, 4, 16)
            .tokens(101, 64)
            .norm(NormKind.RMS, 1e-6f)
            .normalizedHead(true)
            .build();
    ModelConfig one = two.toBuilder().normalizedHead(false).build();
    int[] ids = {5, 17, 3, 60, 41, 9, 22, 100};
    try (RandomWeights weights = new RandomWeights(two, 3);
        OfflineNormalized converted = new OfflineNormalized(one, weights);
        RandomWeights unconverted = new RandomWeights(one, 3)) {
      float[] baichuan2 = logits(backend, weights, ids);
      float[] baichuan1 = logits(backend, converted, ids);
      float[] without = logits(backend, unconverted, ids);
      return Outcome.of(
          "2 layers, 8 tokens, vocabulary 101, fp32; relative L2 of all logits",
          Map.of(
              "relative_difference", LoraExperiments.relative(baichuan1, baichuan2),
              "relative_difference_without_conversion",
                  LoraExperiments.relative(without, baichuan2)));
    }
  }

  /** The conversion of claim I7: rows of the head divided by their norm, in fp64. */
  private record OfflineNormalized(ModelConfig config, RandomWeights weights)
      implements WeightSource {
    @Override
    public String kind() {
      return weights.kind();
    }

    @Override
    public DType storedType(TensorSpec spec) {
      return DType.F32;
    }

    @Override
    public void read(TensorSpec spec, int firstRow, int rowCount, DType type, MemorySegment out) {
      if (spec.role() != WeightRole.HEAD) {
        weights.read(spec, firstRow, rowCount, type, out);
        return;
      }
      int columns = Math.toIntExact(spec.columns());
      float[] row = new float[columns];
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment one = arena.allocate(4L * columns, 64);
        for (int r = 0; r < rowCount; r++) {
          weights.read(spec, firstRow + r, 1, DType.F32, one);
          BlockFormat.decodeRow(DType.F32, one, 0, columns, row, 0);
          double squares = 0;
          for (float v : row) {
            squares += (double) v * v;
          }
          for (int i = 0; i < columns; i++) {
            row[i] = (float) (row[i] / Math.sqrt(squares));
          }
          BlockFormat.encodeRow(type, row, 0, columns, out, r * type.rowBytes(columns));
        }
      }
    }

    @Override
    public void close() {
      // The weights belong to the caller.
    }
  }
}
