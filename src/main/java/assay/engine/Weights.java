package assay.engine;

import assay.backend.Backend;
import assay.model.AdapterShape;
import assay.model.AdapterSource;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.NormKind;
import assay.model.PositionKind;
import assay.model.TensorSpec;
import assay.model.UserError;
import assay.model.WeightLayout;
import assay.model.WeightRole;
import assay.model.WeightSource;
import assay.tensor.Tensor;
import assay.tensor.TensorAllocator;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The weights of a model as tensors of a back end, in the order of the forward pass. */
final class Weights {
  /** One transformer block. */
  record Layer(
      Tensor attentionNorm,
      @Nullable Tensor attentionNormBias,
      Linear qkv,
      @Nullable Tensor qNorm,
      @Nullable Tensor kNorm,
      Linear output,
      Tensor mlpNorm,
      @Nullable Tensor mlpNormBias,
      Linear up,
      Linear down) {}

  /**
   * A tensor on the device and which rows (or columns, for a vector) of it hold which tensor of the
   * source.
   */
  record Placement(Tensor tensor, TensorSpec spec, int first) {}

  /** A tensor on the device and which rows of it hold an adapter's A, or its scaled B. */
  record AdapterPlacement(Tensor tensor, AdapterShape.Module module, boolean up, int first) {}

  private final Tensor embedding;
  private final @Nullable Tensor positionEmbedding;
  private final List<Layer> layers = new ArrayList<>();
  private final Tensor finalNorm;
  private final @Nullable Tensor finalNormBias;
  private final Tensor head;
  private final List<Placement> placements = new ArrayList<>();
  private final List<AdapterPlacement> adapterPlacements = new ArrayList<>();
  private int lowRank;

  /** Allocates every tensor; {@code allocator} may be a plan. */
  Weights(Backend backend, TensorAllocator allocator, WeightSource source, SessionOptions options) {
    ModelConfig c = source.config();
    if (c.nExperts() > 1) {
      throw new UserError(c.name() + " is a mixture of experts: it can be estimated, not run");
    }
    Builder b = new Builder(backend, allocator, source, options);
    embedding = b.matrix(-1, WeightRole.EMBEDDING);
    positionEmbedding =
        c.positions() == PositionKind.LEARNED ? b.matrix(-1, WeightRole.POSITION_EMBEDDING) : null;
    boolean layerNorm = c.norm() == NormKind.LAYER;
    for (int l = 0; l < c.nLayers(); l++) {
      layers.add(layer(b, c, l, layerNorm));
    }
    finalNorm = b.vector(-1, WeightRole.FINAL_NORM);
    finalNormBias = layerNorm ? b.vector(-1, WeightRole.FINAL_NORM_BIAS) : null;
    head = c.tiedEmbeddings() ? embedding : b.matrix(-1, WeightRole.HEAD);
  }

  private static Layer layer(Builder b, ModelConfig c, int l, boolean layerNorm) {
    Tensor norm = b.vector(l, WeightRole.ATTENTION_NORM);
    Tensor normBias = layerNorm ? b.vector(l, WeightRole.ATTENTION_NORM_BIAS) : null;
    Linear qkv = b.linear(l, c.qkvBias(), WeightRole.Q, WeightRole.K, WeightRole.V);
    Tensor qNorm = c.qkNorm() ? b.vector(l, WeightRole.Q_NORM) : null;
    Tensor kNorm = c.qkNorm() ? b.vector(l, WeightRole.K_NORM) : null;
    Linear output = b.linear(l, c.outputBias(), WeightRole.O);
    Tensor mlpNorm = b.vector(l, WeightRole.MLP_NORM);
    Tensor mlpNormBias = layerNorm ? b.vector(l, WeightRole.MLP_NORM_BIAS) : null;
    Linear up =
        c.gatedMlp()
            ? b.linear(l, c.mlpBias(), WeightRole.GATE, WeightRole.UP)
            : b.linear(l, c.mlpBias(), WeightRole.UP);
    Linear down = b.linear(l, c.mlpBias(), WeightRole.DOWN);
    return new Layer(norm, normBias, qkv, qNorm, kNorm, output, mlpNorm, mlpNormBias, up, down);
  }

  Tensor embedding() {
    return embedding;
  }

  @Nullable Tensor positionEmbedding() {
    return positionEmbedding;
  }

  List<Layer> layers() {
    return layers;
  }

  Tensor finalNorm() {
    return finalNorm;
  }

  @Nullable Tensor finalNormBias() {
    return finalNormBias;
  }

  Tensor head() {
    return head;
  }

  List<Placement> placements() {
    return placements;
  }

  List<AdapterPlacement> adapterPlacements() {
    return adapterPlacements;
  }

  /** The largest sum of ranks of adapters beside one linear layer; 0 without adapters. */
  int lowRank() {
    return lowRank;
  }

  private final class Builder {
    private final Backend backend;
    private final TensorAllocator allocator;
    private final WeightSource source;
    private final SessionOptions options;
    private final Map<String, TensorSpec> specs = new HashMap<>();

    Builder(
        Backend backend, TensorAllocator allocator, WeightSource source, SessionOptions options) {
      this.backend = backend;
      this.allocator = allocator;
      this.source = source;
      this.options = options;
      for (TensorSpec s : WeightLayout.of(source.config())) {
        specs.put(s.layer() + "/" + s.role(), s);
      }
    }

    private TensorSpec spec(int layer, WeightRole role) {
      TensorSpec s = specs.get(layer + "/" + role);
      if (s == null) {
        throw new IllegalStateException("no " + role + " in layer " + layer);
      }
      return s;
    }

    private DType type(TensorSpec s) {
      DType byPrecision = s.storedType(options.precision());
      return options.storedTypes() && s.role().isMatrix() ? source.storedType(s) : byPrecision;
    }

    Tensor vector(int layer, WeightRole... roles) {
      int length = 0;
      for (WeightRole role : roles) {
        length += Math.toIntExact(spec(layer, role).columns());
      }
      Tensor t = allocator.allocate(DType.F32, 1, length);
      int first = 0;
      for (WeightRole role : roles) {
        placements.add(new Placement(t, spec(layer, role), first));
        first += Math.toIntExact(spec(layer, role).columns());
      }
      return t;
    }

    Tensor matrix(int layer, WeightRole role) {
      return matrix(type(spec(layer, role)), layer, role);
    }

    private Tensor matrix(DType type, int layer, WeightRole... roles) {
      int rows = 0;
      for (WeightRole role : roles) {
        rows += Math.toIntExact(spec(layer, role).rows());
      }
      int columns = Math.toIntExact(spec(layer, roles[0]).columns());
      Tensor t = backend.weight(allocator, type, rows, columns);
      if (type == DType.F8E4M3) {
        t = t.scaledBy(WeightLoader.f8Scale(backend, source, specsOf(layer, roles), allocator));
      }
      int first = 0;
      for (WeightRole role : roles) {
        placements.add(new Placement(t, spec(layer, role), first));
        first += Math.toIntExact(spec(layer, role).rows());
      }
      return t;
    }

    private List<TensorSpec> specsOf(int layer, WeightRole... roles) {
      List<TensorSpec> out = new ArrayList<>();
      for (WeightRole role : roles) {
        out.add(spec(layer, role));
      }
      return out;
    }

    Linear linear(int layer, boolean biased, WeightRole... roles) {
      DType type = type(spec(layer, roles[0]));
      boolean oneType = true;
      for (WeightRole role : roles) {
        oneType &= type(spec(layer, role)) == type;
      }
      List<Tensor> parts = new ArrayList<>();
      if (oneType) {
        parts.add(matrix(type, layer, roles));
      } else {
        for (WeightRole role : roles) {
          parts.add(matrix(layer, role));
        }
      }
      Tensor bias = biased ? vector(layer, biasesOf(roles)) : null;
      return new Linear(List.copyOf(parts), bias, lowRank(layer, List.of(roles)));
    }

    /** The adapters beside one linear layer; they follow it in memory. */
    private Linear.@Nullable LowRank lowRank(int layer, List<WeightRole> roles) {
      List<AdapterShape.Module> modules = adapters(layer, roles);
      if (modules.isEmpty()) {
        return null;
      }
      DType type = AdapterShape.storedType(options.precision());
      int rank = AdapterShape.rank(modules);
      lowRank = Math.max(lowRank, rank);
      Tensor down = backend.weight(allocator, type, rank, modules.getFirst().inputs());
      List<Linear.Up> ups = new ArrayList<>();
      int firstRank = 0;
      for (AdapterShape.Module m : modules) {
        checkRank(m);
        Tensor up = backend.weight(allocator, type, m.outputs(), m.rank());
        adapterPlacements.add(new AdapterPlacement(down, m, false, firstRank));
        adapterPlacements.add(new AdapterPlacement(up, m, true, 0));
        int firstOutput = 0;
        for (WeightRole before : roles.subList(0, roles.indexOf(m.roles().getFirst()))) {
          firstOutput += Math.toIntExact(spec(layer, before).rows());
        }
        ups.add(new Linear.Up(up, firstRank, firstOutput));
        firstRank += m.rank();
      }
      return new Linear.LowRank(down, List.copyOf(ups));
    }

    private List<AdapterShape.Module> adapters(int layer, List<WeightRole> roles) {
      AdapterSource adapter = source.adapter();
      return adapter == null
          ? List.of()
          : adapter.shape().modules().stream()
              .filter(m -> m.layer() == layer && roles.containsAll(m.roles()))
              .toList();
    }

    /** Back ends reserve their scratch for products as wide as the model's own. */
    private void checkRank(AdapterShape.Module m) {
      int widest = Math.max(source.config().hiddenSize(), source.config().intermediateSize());
      if (m.rank() > widest) {
        throw new UserError(
            "an adapter of rank %d in layer %d is wider than the model, %d: it can only be merged"
                .formatted(m.rank(), m.layer(), widest));
      }
    }

    private WeightRole[] biasesOf(WeightRole... roles) {
      WeightRole[] out = new WeightRole[roles.length];
      for (int i = 0; i < roles.length; i++) {
        out[i] = WeightRole.valueOf(roles[i] + "_BIAS");
      }
      return out;
    }
  }
}
