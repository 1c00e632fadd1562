package assay.measure;

import assay.model.AdapterShape;
import assay.model.AdapterSource;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.model.WeightLayout;
import assay.model.WeightRole;
import assay.model.WeightSource;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/** Adapters of random values beside most matrices of a model, their ranks all different. */
public final class RandomAdapter implements AdapterSource {
  private final AdapterShape shape;

  /** Of ranks from {@code firstRank} on; gpt2's q, k and v share one A. */
  public RandomAdapter(ModelConfig c, int firstRank) {
    List<AdapterShape.Module> modules = new ArrayList<>();
    boolean packed = c.architecture().equals("gpt2");
    for (TensorSpec t : WeightLayout.of(c)) {
      int rank = firstRank + modules.size();
      int in = Math.toIntExact(t.columns());
      int out = Math.toIntExact(t.rows());
      boolean skipped = t.role() == WeightRole.K || t.role() == WeightRole.O;
      if (t.layer() < 0 || !t.role().isMatrix() || skipped) {
        continue;
      }
      if (packed && t.role() == WeightRole.Q) {
        List<WeightRole> roles = List.of(WeightRole.Q, WeightRole.K, WeightRole.V);
        modules.add(new AdapterShape.Module(t.layer(), roles, rank, in, 3 * out));
      } else if (!packed || t.role() != WeightRole.V) {
        modules.add(new AdapterShape.Module(t.layer(), List.of(t.role()), rank, in, out));
      }
    }
    shape = new AdapterShape(modules);
  }

  @Override
  public String name() {
    return "random";
  }

  @Override
  public AdapterShape shape() {
    return shape;
  }

  @Override
  public float[] down(AdapterShape.Module m) {
    return values(m.layer() + 1, m.rank() * m.inputs());
  }

  @Override
  public float[] up(AdapterShape.Module m) {
    return values(-m.layer() - 1, m.rank() * m.outputs());
  }

  private static float[] values(long seed, int n) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] out = new float[n];
    for (int i = 0; i < n; i++) {
      out[i] = (float) (0.1 * random.nextGaussian());
    }
    return out;
  }

  @Override
  public Map<String, Long> nonFinite() {
    return Map.of();
  }

  /** A model with such adapters. */
  public record Beside(WeightSource base, AdapterSource adapter) implements WeightSource {
    public Beside(WeightSource base, int firstRank) {
      this(base, new RandomAdapter(base.config(), firstRank));
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
    public void read(TensorSpec spec, int firstRow, int rows, DType type, MemorySegment out) {
      base.read(spec, firstRow, rows, type, out);
    }

    @Override
    public void close() {
      base.close();
    }
  }
}
