package assay.train;

import assay.model.DType;
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
import org.jspecify.annotations.Nullable;

/** The weights of a model, adapters beside them, and what training keeps for the trained ones. */
final class Parameters<T> {
  /**
   * What a trained parameter has besides its weight, all of its shape.
   *
   * @param momentum first moment, or SGD's velocity; null where the optimiser keeps none
   * @param variance second moment; null where the optimiser keeps none
   * @param master fp32 copy of the weight; null where the weight is fp32 itself
   */
  record Trained<T>(T gradient, @Nullable T momentum, @Nullable T variance, @Nullable T master) {}

  /**
   * One weight tensor [rows, columns].
   *
   * @param name unique in the model
   * @param trained null where it is frozen
   */
  record Parameter<T>(String name, TensorSpec spec, T weight, @Nullable Trained<T> trained) {
    /** Fails for a frozen one. */
    T gradient() {
      return state().gradient;
    }

    Trained<T> state() {
      if (trained == null) {
        throw new IllegalStateException(name + " is frozen");
      }
      return trained;
    }
  }

  /** A matrix of a block, with its adapter if it has one. */
  record Linear<T>(Parameter<T> base, @Nullable Parameter<T> a, @Nullable Parameter<T> b) {}

  /** The parameters of one transformer block. */
  record Layer<T>(
      Parameter<T> attentionNorm,
      Linear<T> q,
      Linear<T> k,
      Linear<T> v,
      Linear<T> o,
      Parameter<T> mlpNorm,
      Linear<T> gate,
      Linear<T> up,
      Linear<T> down) {}

  private final Allocator<T> allocator;
  private final TrainingOptions options;
  private final List<Parameter<T>> base = new ArrayList<>();
  private final List<Parameter<T>> adapters = new ArrayList<>();
  private final List<Layer<T>> layers = new ArrayList<>();
  private final Map<String, Linear<T>> found = new HashMap<>();
  private final Parameter<T> embedding;
  private final Parameter<T> finalNorm;
  private final Parameter<T> head;

  Parameters(Allocator<T> allocator, ModelConfig c, TrainingOptions options) {
    this.allocator = allocator;
    this.options = options;
    for (TensorSpec s : WeightLayout.of(c)) {
      found.put(key(s.layer(), s.role()), linear(s));
    }
    embedding = find(-1, WeightRole.EMBEDDING).base;
    for (int l = 0; l < c.nLayers(); l++) {
      layers.add(
          new Layer<>(
              find(l, WeightRole.ATTENTION_NORM).base,
              find(l, WeightRole.Q),
              find(l, WeightRole.K),
              find(l, WeightRole.V),
              find(l, WeightRole.O),
              find(l, WeightRole.MLP_NORM).base,
              find(l, WeightRole.GATE),
              find(l, WeightRole.UP),
              find(l, WeightRole.DOWN)));
    }
    finalNorm = find(-1, WeightRole.FINAL_NORM).base;
    head = c.tiedEmbeddings() ? embedding : find(-1, WeightRole.HEAD).base;
  }

  private static String key(int layer, WeightRole role) {
    return layer + "/" + role;
  }

  private Linear<T> find(int layer, WeightRole role) {
    Linear<T> p = found.get(key(layer, role));
    if (p == null) {
      throw new IllegalStateException("no " + role + " in layer " + layer);
    }
    return p;
  }

  private Linear<T> linear(TensorSpec s) {
    String name =
        (s.layer() < 0 ? "" : "block " + s.layer() + " ")
            + s.role().name().toLowerCase(Locale.ROOT).replace('_', ' ');
    Adapters wanted = options.adapters();
    StepTypes types = options.types();
    boolean matrix = s.layer() >= 0 && s.role().isMatrix();
    Parameter<T> w =
        wanted == null
            ? allocate(name, s, types.weights(), true)
            : allocate(name, s, matrix ? types.frozen() : types.weights(), false);
    base.add(w);
    if (wanted == null || !wanted.targets().contains(s.role())) {
      return new Linear<>(w, null, null);
    }
    Parameter<T> a = allocate(name + " adapter a", wanted.a(s), types.weights(), true);
    Parameter<T> b = allocate(name + " adapter b", wanted.b(s), types.weights(), true);
    adapters.add(a);
    adapters.add(b);
    return new Linear<>(w, a, b);
  }

  private Parameter<T> allocate(String name, TensorSpec s, DType type, boolean trained) {
    int rows = Math.toIntExact(s.rows());
    int columns = Math.toIntExact(s.columns());
    T weight = allocator.allocate(MemoryCategory.WEIGHTS, name, type, rows, columns);
    if (!trained) {
      return new Parameter<>(name, s, weight, null);
    }
    StepTypes types = options.types();
    int states = options.optimizer().states();
    T gradient =
        allocator.allocate(
            MemoryCategory.GRADIENTS, name + " gradient", types.gradients(), rows, columns);
    return new Parameter<>(
        name,
        s,
        weight,
        new Trained<>(
            gradient,
            states >= 1 ? state(name + " momentum", rows, columns) : null,
            states >= 2 ? state(name + " variance", rows, columns) : null,
            types.masterCopy() ? state(name + " master copy", rows, columns) : null));
  }

  private T state(String name, int rows, int columns) {
    return allocator.f32(MemoryCategory.OPTIMIZER, name, rows, columns);
  }

  /** The model's own, once each, in the order of {@link WeightLayout}. */
  List<Parameter<T>> base() {
    return base;
  }

  /** A and B of each adapted matrix in turn; empty where everything is trained. */
  List<Parameter<T>> adapters() {
    return adapters;
  }

  /** What gets gradients. */
  List<Parameter<T>> trained() {
    return adapters.isEmpty() ? base : adapters;
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
