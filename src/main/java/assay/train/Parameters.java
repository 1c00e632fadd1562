package assay.train;

import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.model.WeightLayout;
import assay.model.WeightRole;
import assay.tensor.MemoryCategory;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The weights of a model, each with its gradient and AdamW's two moments. */
final class Parameters<T> {
  /** One weight tensor [rows, columns] and what training keeps beside it, all of its shape. */
  record Parameter<T>(TensorSpec spec, T weight, T gradient, T momentum, T variance) {}

  /** The parameters of one transformer block. */
  record Layer<T>(
      Parameter<T> attentionNorm,
      Parameter<T> q,
      Parameter<T> k,
      Parameter<T> v,
      Parameter<T> o,
      Parameter<T> mlpNorm,
      Parameter<T> gate,
      Parameter<T> up,
      Parameter<T> down) {}

  private final List<Parameter<T>> all = new ArrayList<>();
  private final List<Layer<T>> layers = new ArrayList<>();
  private final Parameter<T> embedding;
  private final Parameter<T> finalNorm;
  private final Parameter<T> head;

  Parameters(Allocator<T> allocator, ModelConfig c) {
    Map<String, Parameter<T>> found = new HashMap<>();
    for (TensorSpec s : WeightLayout.of(c)) {
      Parameter<T> p = allocate(allocator, s);
      all.add(p);
      found.put(key(s.layer(), s.role()), p);
    }
    Finder<T> find =
        (layer, role) -> {
          Parameter<T> p = found.get(key(layer, role));
          if (p == null) {
            throw new IllegalStateException("no " + role + " in layer " + layer);
          }
          return p;
        };
    embedding = find.of(-1, WeightRole.EMBEDDING);
    for (int l = 0; l < c.nLayers(); l++) {
      layers.add(
          new Layer<>(
              find.of(l, WeightRole.ATTENTION_NORM),
              find.of(l, WeightRole.Q),
              find.of(l, WeightRole.K),
              find.of(l, WeightRole.V),
              find.of(l, WeightRole.O),
              find.of(l, WeightRole.MLP_NORM),
              find.of(l, WeightRole.GATE),
              find.of(l, WeightRole.UP),
              find.of(l, WeightRole.DOWN)));
    }
    finalNorm = find.of(-1, WeightRole.FINAL_NORM);
    head = c.tiedEmbeddings() ? embedding : find.of(-1, WeightRole.HEAD);
  }

  private interface Finder<T> {
    Parameter<T> of(int layer, WeightRole role);
  }

  private static String key(int layer, WeightRole role) {
    return layer + "/" + role;
  }

  private static <T> Parameter<T> allocate(Allocator<T> allocator, TensorSpec s) {
    int rows = Math.toIntExact(s.rows());
    int columns = Math.toIntExact(s.columns());
    String name =
        (s.layer() < 0 ? "" : "block " + s.layer() + " ")
            + s.role().name().toLowerCase(Locale.ROOT).replace('_', ' ');
    return new Parameter<>(
        s,
        allocator.f32(MemoryCategory.WEIGHTS, name, rows, columns),
        allocator.f32(MemoryCategory.GRADIENTS, name + " gradient", rows, columns),
        allocator.f32(MemoryCategory.OPTIMIZER, name + " momentum", rows, columns),
        allocator.f32(MemoryCategory.OPTIMIZER, name + " variance", rows, columns));
  }

  /** Every parameter once, in the order of {@link WeightLayout}. */
  List<Parameter<T>> all() {
    return all;
  }

  List<Layer<T>> layers() {
    return layers;
  }

  Parameter<T> embedding() {
    return embedding;
  }

  Parameter<T> finalNorm() {
    return finalNorm;
  }

  /** The embedding itself where the two are tied: both add to one gradient. */
  Parameter<T> head() {
    return head;
  }
}
