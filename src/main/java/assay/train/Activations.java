package assay.train;

import assay.engine.AttentionPath;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.WeightRole;
import assay.tensor.MemoryCategory;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What exists besides parameters: activations kept from forward to backward ({@link
 * MemoryCategory#ACTIVATIONS}), and what is used at once and overwritten ({@link
 * MemoryCategory#WORKSPACE}). n is batch · tokens.
 *
 * <p>Per token, block and element, with h the hidden size, q and kv the widths of all query and key
 * heads, i the MLP's inner width, a the heads: 4h (both norms' inputs and outputs) + 2 (their
 * inverse RMS, fp32) + 2q + 2kv (q, k, v and attention's output) + a (log of softmax sums, fp32) +
 * 3i (gate, up, their product); where the probabilities are stored a·s instead of the sums' log. A
 * frozen matrix needs its input for nothing: that lies in the workspace then; an adapter needs x·Aᵀ
 * besides.
 */
final class Activations<T> {
  /** What one block computes besides its input. */
  record Block<T>(
      T attentionInverse,
      T attentionNormed,
      T q,
      T k,
      T v,
      T logSumExp,
      @Nullable T probabilities,
      T attention,
      T middle,
      T mlpInverse,
      T mlpNormed,
      T gate,
      T up,
      T activated,
      Map<WeightRole, T> low) {}

  /** Gradients of activations, and what the head needs. */
  record Workspace<T>(
      T rotary,
      T ids,
      T targets,
      T losses,
      T logits,
      T normed,
      T inverse,
      T dResidual,
      T dNormed,
      T dWide,
      T dWideToo,
      T dAttention,
      T dq,
      T dk,
      T dv,
      @Nullable T dLow) {}

  private final Allocator<T> allocator;
  private final ModelConfig c;
  private final TrainingOptions o;
  private final DType type;

  /** What blocks share, by name: workspace, or activations that are computed again. */
  private final Map<String, T> shared = new HashMap<>();

  /** The residual stream [n, hidden] at the entry of each block, and after the last. */
  private final List<T> residuals = new ArrayList<>();

  private final List<Block<T>> blocks = new ArrayList<>();
  private final Workspace<T> workspace;

  Activations(Allocator<T> allocator, ModelConfig c, TrainingOptions o) {
    this.allocator = allocator;
    this.c = c;
    this.o = o;
    this.type = o.types().activations();
    int n = o.rows();
    for (int l = 0; l < c.nLayers(); l++) {
      residuals.add(activation("block " + l + " input", type, n, c.hiddenSize()));
      blocks.add(newBlock(l));
    }
    residuals.add(activation("final norm input", type, n, c.hiddenSize()));
    workspace = workspaceOf();
  }

  private T activation(String name, DType type, int rows, int columns) {
    return allocator.allocate(MemoryCategory.ACTIVATIONS, name, type, rows, columns);
  }

  private T work(String name, int columns) {
    return allocator.allocate(MemoryCategory.WORKSPACE, name, type, o.rows(), columns);
  }

  private Block<T> newBlock(int l) {
    int n = o.rows();
    int h = c.hiddenSize();
    int inner = c.intermediateSize();
    boolean stored = o.attention() == AttentionPath.STORED;
    boolean qkv = o.trains(WeightRole.Q) || o.trains(WeightRole.K) || o.trains(WeightRole.V);
    boolean gateUp = o.trains(WeightRole.GATE) || o.trains(WeightRole.UP);
    return new Block<>(
        kept(l, "attention norm inverse RMS", DType.F32, n, 1),
        keptIf(qkv, l, "attention normed", h),
        kept(l, "q", type, n, c.qDim()),
        kept(l, "k", type, n, c.kvDim()),
        kept(l, "v", type, n, c.kvDim()),
        stored
            ? sharedOf(MemoryCategory.WORKSPACE, "log-sum-exp", DType.F32, n, c.nHeads())
            : kept(l, "log-sum-exp", DType.F32, n, c.nHeads()),
        stored ? probabilities(l) : null,
        kept(l, "attention output", type, n, c.qDim()),
        kept(l, "MLP norm input", type, n, h),
        kept(l, "MLP norm inverse RMS", DType.F32, n, 1),
        keptIf(gateUp, l, "MLP normed", h),
        kept(l, "gate", type, n, inner),
        kept(l, "up", type, n, inner),
        keptIf(o.trains(WeightRole.DOWN), l, "activated", inner),
        low(l));
  }

  private T probabilities(int l) {
    int rows = Math.multiplyExact(o.rows(), c.nHeads());
    return o.recomputation() == Recomputation.NONE
        ? activation("block " + l + " probabilities", type, rows, o.tokens())
        : sharedOf(MemoryCategory.ACTIVATIONS, "probabilities", type, rows, o.tokens());
  }

  /** x·Aᵀ of each adapter. */
  private Map<WeightRole, T> low(int l) {
    Map<WeightRole, T> out = new EnumMap<>(WeightRole.class);
    Adapters adapters = o.adapters();
    if (adapters != null) {
      for (WeightRole role : new java.util.TreeSet<>(adapters.targets())) {
        String name = role.name().toLowerCase(Locale.ROOT) + " adapter";
        out.put(role, kept(l, name, type, o.rows(), adapters.rank()));
      }
    }
    return out;
  }

  private T keptIf(boolean needed, int l, String name, int columns) {
    return needed
        ? kept(l, name, type, o.rows(), columns)
        : sharedOf(MemoryCategory.WORKSPACE, name, type, o.rows(), columns);
  }

  /** Of each block, or of whichever is at work where all is computed again. */
  private T kept(int l, String name, DType t, int rows, int columns) {
    return o.recomputation() == Recomputation.FULL
        ? sharedOf(MemoryCategory.ACTIVATIONS, name, t, rows, columns)
        : activation("block " + l + " " + name, t, rows, columns);
  }

  private T sharedOf(MemoryCategory category, String name, DType t, int rows, int columns) {
    return shared.computeIfAbsent(
        name, k -> allocator.allocate(category, "any block's " + name, t, rows, columns));
  }

  private Workspace<T> workspaceOf() {
    int n = o.rows();
    int h = c.hiddenSize();
    MemoryCategory w = MemoryCategory.WORKSPACE;
    Adapters adapters = o.adapters();
    return new Workspace<>(
        allocator.f32(w, "rotary table", o.tokens(), c.headDim()),
        allocator.allocate(w, "ids", DType.I32, n, 1),
        allocator.allocate(w, "targets", DType.I32, n, 1),
        allocator.f32(w, "losses", n, 1),
        activation("logits", DType.F32, o.logitRows(), c.vocabSize()),
        allocator.allocate(
            adapters == null ? MemoryCategory.ACTIVATIONS : w,
            "final normed",
            type,
            o.logitRows(),
            h),
        activation("final norm inverse RMS", DType.F32, o.logitRows(), 1),
        work("gradient of the residual stream", h),
        work("gradient of a normed input", h),
        work("gradient of activated and up", c.intermediateSize()),
        work("gradient of gate", c.intermediateSize()),
        work("gradient of attention output", c.qDim()),
        work("gradient of q", c.qDim()),
        work("gradient of k", c.kvDim()),
        work("gradient of v", c.kvDim()),
        adapters == null ? null : work("gradient of an adapter's x·Aᵀ", adapters.rank()));
  }

  /** Entry of block {@code l}; for l = nLayers what the final norm reads. */
  T residual(int l) {
    return residuals.get(l);
  }

  /** What block {@code l} keeps; the same for all with {@link Recomputation#FULL}. */
  Block<T> block(int l) {
    return blocks.get(l);
  }

  Workspace<T> workspace() {
    return workspace;
  }
}
