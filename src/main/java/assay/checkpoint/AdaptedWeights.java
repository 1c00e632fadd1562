package assay.checkpoint;

import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.RandomStream;
import assay.model.TensorSpec;
import assay.model.WeightSource;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** A base model with a LoRA adapter that runs beside it, unmerged. It owns both. */
public final class AdaptedWeights implements WeightSource {
  private final WeightSource base;
  private final LoraAdapter adapter;
  private final ModelConfig config;

  private AdaptedWeights(WeightSource base, LoraAdapter adapter) {
    this.base = base;
    this.adapter = adapter;
    ModelConfig c = base.config();
    this.config = c.toBuilder().name(c.name() + "+" + adapter.name()).build();
  }

  /** Opens the adapter; the base is closed when that fails, and else by {@link #close}. */
  public static AdaptedWeights of(WeightSource base, Path adapter) {
    try {
      return new AdaptedWeights(base, LoraAdapter.open(adapter, base.config()));
    } catch (Throwable t) {
      base.close();
      throw t;
    }
  }

  /** The base alone; still owned by this. */
  public WeightSource base() {
    return base;
  }

  @Override
  public LoraAdapter adapter() {
    return adapter;
  }

  /** The base's shape, with both names. */
  @Override
  public ModelConfig config() {
    return config;
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
  public void read(TensorSpec spec, int firstRow, int rowCount, DType type, MemorySegment out) {
    base.read(spec, firstRow, rowCount, type, out);
  }

  @Override
  public Optional<RandomStream> randomStream(TensorSpec spec) {
    return base.randomStream(spec);
  }

  @Override
  public Map<String, Long> nonFinite() {
    Map<String, Long> out = new TreeMap<>(base.nonFinite());
    out.putAll(adapter.nonFinite());
    return out;
  }

  @Override
  public void close() {
    adapter.close();
    base.close();
  }
}
