package assay.train;

import assay.engine.AttentionPath;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.tensor.MemoryCategory;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What exists besides parameters: activations kept from forward to backward ({@link
 * MemoryCategory#ACTIVATIONS}), and what is used at once and overwritten ({@link
 * MemoryCategory#WORKSPACE}). n is batch · tokens.
 *
 * <p>Per token, block and fp32 element, with h the hidden size, q and kv the widths of all query
 * and key heads, i the MLP's inner width, a the heads: 4h (both norms' inputs and outputs) + 2
 * (their inverse RMS) + 2q + 2kv (q, k, v and attention's output) + a (log of softmax sums) + 3i
 * (gate, up, their product), and a·s more where the probabilities are stored.
 */
final class Activations<T> {
  /** What one block keeps besides its input. */
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
      T activated) {}

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
      T dv) {}

  /** The residual stream [n, hidden] at the entry of each block, and after the last. */
  private final List<T> residuals = new ArrayList<>();

  private final List<Block<T>> blocks = new ArrayList<>();
  private final Workspace<T> workspace;

  Activations(Allocator<T> allocator, ModelConfig c, TrainingOptions o) {
    int n = o.rows();
    Block<T> shared = null;
    for (int l = 0; l < c.nLayers(); l++) {
      residuals.add(
          allocator.f32(MemoryCategory.ACTIVATIONS, "block " + l + " input", n, c.hiddenSize()));
      if (shared == null || o.recomputation() == Recomputation.NONE) {
        shared = block(allocator, l, c, o);
      }
      blocks.add(shared);
    }
    residuals.add(allocator.f32(MemoryCategory.ACTIVATIONS, "final norm input", n, c.hiddenSize()));
    workspace = workspace(allocator, c, o);
  }

  private static <T> Block<T> block(
      Allocator<T> allocator, int l, ModelConfig c, TrainingOptions o) {
    int n = o.rows();
    int h = c.hiddenSize();
    int inner = c.intermediateSize();
    String prefix = o.recomputation() == Recomputation.NONE ? "block " + l + " " : "any block's ";
    Named<T> a =
        (name, rows, columns) ->
            allocator.f32(MemoryCategory.ACTIVATIONS, prefix + name, rows, columns);
    return new Block<>(
        a.f32("attention norm inverse RMS", n, 1),
        a.f32("attention normed", n, h),
        a.f32("q", n, c.qDim()),
        a.f32("k", n, c.kvDim()),
        a.f32("v", n, c.kvDim()),
        a.f32("log-sum-exp", n, c.nHeads()),
        o.attention() == AttentionPath.STORED
            ? a.f32("probabilities", Math.multiplyExact(n, c.nHeads()), o.tokens())
            : null,
        a.f32("attention output", n, c.qDim()),
        a.f32("MLP norm input", n, h),
        a.f32("MLP norm inverse RMS", n, 1),
        a.f32("MLP normed", n, h),
        a.f32("gate", n, inner),
        a.f32("up", n, inner),
        a.f32("activated", n, inner));
  }

  private interface Named<T> {
    T f32(String name, int rows, int columns);
  }

  private static <T> Workspace<T> workspace(
      Allocator<T> allocator, ModelConfig c, TrainingOptions o) {
    int n = o.rows();
    int h = c.hiddenSize();
    MemoryCategory w = MemoryCategory.WORKSPACE;
    return new Workspace<>(
        allocator.f32(w, "rotary table", o.tokens(), c.headDim()),
        allocator.allocate(w, "ids", DType.I32, n, 1),
        allocator.allocate(w, "targets", DType.I32, n, 1),
        allocator.f32(w, "losses", n, 1),
        allocator.f32(MemoryCategory.ACTIVATIONS, "logits", o.logitRows(), c.vocabSize()),
        allocator.f32(MemoryCategory.ACTIVATIONS, "final normed", o.logitRows(), h),
        allocator.f32(MemoryCategory.ACTIVATIONS, "final norm inverse RMS", o.logitRows(), 1),
        allocator.f32(w, "gradient of the residual stream", n, h),
        allocator.f32(w, "gradient of a normed input", n, h),
        allocator.f32(w, "gradient of activated and up", n, c.intermediateSize()),
        allocator.f32(w, "gradient of gate", n, c.intermediateSize()),
        allocator.f32(w, "gradient of attention output", n, c.qDim()),
        allocator.f32(w, "gradient of q", n, c.qDim()),
        allocator.f32(w, "gradient of k", n, c.kvDim()),
        allocator.f32(w, "gradient of v", n, c.kvDim()));
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
