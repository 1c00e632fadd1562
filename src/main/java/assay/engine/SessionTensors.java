package assay.engine;

import assay.backend.Backend;
import assay.backend.StepState;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.PositionKind;
import assay.tensor.Tensor;
import assay.tensor.TensorAllocator;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Everything but the weights that a session keeps on the device, allocated once. {@code n} is batch
 * · maxPassTokens.
 */
final class SessionTensors {
  /** KV cache, category KV_CACHE. */
  static final class KvCache {
    final List<Tensor> keys = new ArrayList<>();
    final List<Tensor> values = new ArrayList<>();

    KvCache(TensorAllocator a, ModelConfig c, SessionOptions o) {
      int rows = Math.multiplyExact(Math.multiplyExact(o.batch(), c.nKvHeads()), o.maxSeqLen());
      for (int l = 0; l < c.nLayers(); l++) {
        keys.add(a.allocate(o.kvType(), rows, c.headDim()));
        values.add(a.allocate(o.kvType(), rows, c.headDim()));
      }
    }
  }

  /** What one pass computes, category ACTIVATIONS. */
  static final class Activations {
    /** The residual stream, fp32 at every precision. */
    final Tensor residual;

    final Tensor normed;
    final Tensor qkv;
    final Tensor attention;
    final Tensor up;
    final Tensor activated;
    final Tensor delta;
    final Tensor lastNormed;
    final Tensor logits;
    final @Nullable Tensor scores;

    /** x·Aᵀ of the adapters of one layer. */
    final @Nullable Tensor low;

    Activations(TensorAllocator a, Backend backend, ModelConfig c, SessionOptions o, int lowRank) {
      int n = Math.multiplyExact(o.batch(), o.maxPassTokens());
      DType type = backend.activationType(o.precision());
      residual = a.allocate(DType.F32, n, c.hiddenSize());
      normed = a.allocate(type, n, c.hiddenSize());
      qkv = a.allocate(type, n, c.qDim() + 2 * c.kvDim());
      attention = a.allocate(type, n, c.qDim());
      up = a.allocate(type, n, (c.gatedMlp() ? 2 : 1) * c.intermediateSize());
      activated = a.allocate(type, n, c.intermediateSize());
      delta = a.allocate(type, n, c.hiddenSize());
      lastNormed = a.allocate(type, o.logitRows(), c.hiddenSize());
      logits = a.allocate(DType.F32, o.logitRows(), c.vocabSize());
      scores =
          o.attention() == AttentionPath.STORED
              ? a.allocate(DType.F32, Math.multiplyExact(n, c.nHeads()), o.maxSeqLen())
              : null;
      low = lowRank > 0 ? a.allocate(type, n, lowRank) : null;
    }
  }

  /** Tables, counters and tokens, category WORKSPACE, beside the back end's own scratch. */
  static final class Control {
    final @Nullable Tensor rotary;
    final StepState state;
    final Tensor prompt;
    final Tensor tokens;
    final @Nullable Tensor uniforms;
    final Tensor history;
    final @Nullable Tensor mask;

    Control(TensorAllocator a, ModelConfig c, SessionOptions o, boolean masked) {
      rotary =
          c.positions() == PositionKind.ROPE
              ? a.allocate(DType.F32, o.maxSeqLen(), c.headDim())
              : null;
      state = new StepState(a.allocate(DType.I32, 1, 2), a.allocate(DType.I32, 1, o.batch()));
      prompt = a.allocate(DType.I32, 1, Math.multiplyExact(o.batch(), o.maxSeqLen()));
      tokens = a.allocate(DType.I32, 1, o.batch());
      uniforms = o.sampling().isGreedy() ? null : a.allocate(DType.F32, o.maxDraws(), o.batch());
      history = a.allocate(DType.I32, o.maxDraws(), o.batch());
      mask = masked ? a.allocate(DType.U8, o.maxSeqLen(), o.maxSeqLen()) : null;
    }
  }

  private SessionTensors() {}
}
