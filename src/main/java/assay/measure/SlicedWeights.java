package assay.measure;

import assay.model.AdapterSource;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.RandomStream;
import assay.model.TensorSpec;
import assay.model.WeightLayout;
import assay.model.WeightRole;
import assay.model.WeightSource;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;

/**
 * The first layers and the first rows of the vocabulary of a larger model: the same widths, few
 * enough weights for the reference's plain loops.
 */
final class SlicedWeights implements WeightSource {
  private final WeightSource whole;
  private final ModelConfig config;
  private final Map<String, TensorSpec> specs = new HashMap<>();

  SlicedWeights(WeightSource whole, int layers, int vocabularyRows) {
    this.whole = whole;
    ModelConfig c = whole.config();
    config =
        c.toBuilder()
            .size(Math.min(layers, c.nLayers()), c.hiddenSize(), c.intermediateSize())
            .tokens(Math.min(vocabularyRows, c.vocabSize()), c.maxSeqLen())
            .build();
    for (TensorSpec s : WeightLayout.of(c)) {
      specs.put(key(s.role(), s.layer()), s);
    }
  }

  private static String key(WeightRole role, int layer) {
    return layer + "/" + role;
  }

  private TensorSpec inWhole(TensorSpec spec) {
    TensorSpec s = specs.get(key(spec.role(), spec.layer()));
    if (s == null) {
      throw new IllegalArgumentException("no " + spec);
    }
    return s;
  }

  @Override
  public ModelConfig config() {
    return config;
  }

  @Override
  public String kind() {
    return whole.kind();
  }

  @Override
  public DType storedType(TensorSpec spec) {
    return whole.storedType(inWhole(spec));
  }

  @Override
  public void read(TensorSpec spec, int firstRow, int rowCount, DType type, MemorySegment out) {
    whole.read(inWhole(spec), firstRow, rowCount, type, out);
  }

  /** A slice has the first rows of the whole, so its elements are the first of the same stream. */
  @Override
  public Optional<RandomStream> randomStream(TensorSpec spec) {
    return whole.randomStream(inWhole(spec));
  }

  @Override
  public OptionalDouble largestMagnitude(TensorSpec spec) {
    return whole.largestMagnitude(inWhole(spec));
  }

  @Override
  public Map<String, Long> nonFinite() {
    return whole.nonFinite();
  }

  @Override
  public @Nullable AdapterSource adapter() {
    return whole.adapter();
  }

  @Override
  public void close() {
    // The whole belongs to whoever opened it.
  }
}
