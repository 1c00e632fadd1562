package assay.backend.cuda;

import assay.backend.AttentionSpec;
import assay.backend.OpShapes;
import assay.backend.StepState;
import assay.model.Activation;
import assay.model.DType;
import assay.model.NormKind;
import assay.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Operations on rows of activations: which kernel, over which grid, with which arguments. Semantics
 * are those of {@link assay.backend.Backend}.
 */
final class RowOps {
  /** Elements that one block of an element-wise kernel covers in x: 256 threads, 8 each. */
  private static final int BLOCK_ELEMENTS = 2048;

  private static final int HEADS_PER_BLOCK = 4;
  private final KernelTable t;

  RowOps(KernelTable table) {
    this.t = table;
  }

  private static int gridX(long elements) {
    return Math.toIntExact(Math.ceilDiv(elements, BLOCK_ELEMENTS));
  }

  private static int gridY(int rows) {
    return Math.min(rows, KernelTable.MAX_GRID_Y);
  }

  /** {@link assay.backend.Backend#embed}: a block a row. */
  void embed(
      Tensor tokens, Tensor table, @Nullable Tensor positionTable, StepState state, Tensor out) {
    OpShapes.embed(tokens, table, positionTable, state, out);
    t.args()
        .ptr(t.address(out))
        .i32(KernelTable.ld(out))
        .ptr(t.address(tokens))
        .ptr(t.address(table))
        .ptr(t.scales(table))
        .f32(table.scale())
        .i32(table.rows())
        .i32(out.rows())
        .i32(out.columns());
    int type = KernelTable.activation(out.type());
    t.launch(Kernel.EMBED, 3 * KernelTable.weight(table.type()) + type, out.rows(), 1, 1);
    if (positionTable == null) {
      return;
    }
    t.args()
        .ptr(t.address(out))
        .i32(KernelTable.ld(out))
        .ptr(t.address(positionTable))
        .ptr(t.scales(positionTable))
        .f32(positionTable.scale())
        .i32(positionTable.rows())
        .ptr(t.address(state.counters()))
        .ptr(t.address(state.keyStart()))
        .i32(out.rows() / state.batch())
        .i32(out.rows())
        .i32(out.columns());
    int variant = 3 * KernelTable.weight(positionTable.type()) + type;
    t.launch(Kernel.EMBED_POSITIONS, variant, out.rows(), 1, 1);
  }

  /** {@link assay.backend.Backend#norm}: a block a row. */
  void norm(NormKind kind, Tensor x, Tensor gain, @Nullable Tensor bias, float eps, Tensor out) {
    OpShapes.norm(x, gain, bias, out);
    t.args()
        .ptr(t.address(out))
        .i32(KernelTable.ld(out))
        .ptr(t.address(x))
        .i32(KernelTable.ld(x))
        .ptr(t.address(gain))
        .ptr(t.addressOrNone(bias))
        .f32(eps)
        .i32(x.columns());
    Kernel kernel = kind == NormKind.RMS ? Kernel.NORM_RMS : Kernel.NORM_LAYER;
    t.launch(kernel, KernelTable.fromResidual(x.type(), out.type()), x.rows(), 1, 1);
  }

  /** {@link assay.backend.Backend#addNorm}: a block a row. */
  void addNorm(
      Tensor x,
      Tensor delta,
      NormKind kind,
      Tensor gain,
      @Nullable Tensor bias,
      float eps,
      Tensor out) {
    OpShapes.same("delta", delta, x);
    OpShapes.norm(x, gain, bias, out);
    if (x.type() != DType.F32 || delta.type() != out.type()) {
      add(x, delta);
      norm(kind, x, gain, bias, eps, out);
      return;
    }
    t.args()
        .ptr(t.address(out))
        .i32(KernelTable.ld(out))
        .ptr(t.address(x))
        .i32(KernelTable.ld(x))
        .ptr(t.address(delta))
        .i32(KernelTable.ld(delta))
        .ptr(t.address(gain))
        .ptr(t.addressOrNone(bias))
        .f32(eps)
        .i32(x.columns());
    Kernel kernel = kind == NormKind.RMS ? Kernel.ADD_NORM_RMS : Kernel.ADD_NORM_LAYER;
    t.launch(kernel, KernelTable.activation(out.type()), x.rows(), 1, 1);
  }

  /** {@link assay.backend.Backend#headNorm}: a warp a head. */
  void headNorm(Tensor x, Tensor gain, float eps) {
    OpShapes.headNorm(x, gain);
    int heads = x.columns() / gain.columns();
    t.args()
        .ptr(t.address(x))
        .i32(KernelTable.ld(x))
        .ptr(t.address(gain))
        .f32(eps)
        .i32(x.rows())
        .i32(heads)
        .i32(gain.columns());
    long blocks = Math.ceilDiv((long) x.rows() * heads, HEADS_PER_BLOCK);
    t.launch(Kernel.HEAD_NORM, KernelTable.activation(x.type()), blocks, 1, 1);
  }

  /** {@link assay.backend.Backend#bias}. */
  void bias(Tensor x, Tensor bias) {
    OpShapes.bias(x, bias);
    t.args()
        .ptr(t.address(x))
        .i32(KernelTable.ld(x))
        .ptr(t.address(bias))
        .i32(x.rows())
        .i32(x.columns());
    elementwise(Kernel.BIAS, KernelTable.activation(x.type()), x.rows(), x.columns());
  }

  /** {@link assay.backend.Backend#add}. */
  void add(Tensor x, Tensor delta) {
    OpShapes.same("delta", delta, x);
    t.args()
        .ptr(t.address(x))
        .i32(KernelTable.ld(x))
        .ptr(t.address(delta))
        .i32(KernelTable.ld(delta))
        .i32(x.rows())
        .i32(x.columns());
    elementwise(
        Kernel.ADD, KernelTable.fromResidual(x.type(), delta.type()), x.rows(), x.columns());
  }

  /** {@link assay.backend.Backend#activation}. */
  void activation(Activation activation, boolean gated, Tensor x, Tensor out) {
    OpShapes.activation(gated, x, out);
    sameType(x, out);
    t.args()
        .ptr(t.address(out))
        .i32(KernelTable.ld(out))
        .ptr(t.address(x))
        .i32(KernelTable.ld(x))
        .i32(KernelTable.code(activation))
        .flag(gated)
        .i32(out.rows())
        .i32(out.columns());
    elementwise(Kernel.ACTIVATION, KernelTable.activation(x.type()), out.rows(), out.columns());
  }

  private void elementwise(Kernel kernel, int variant, int rows, long columns) {
    t.launch(kernel, variant, gridX(columns), gridY(rows), 1);
  }

  /** {@link assay.backend.Backend#rope}. */
  void rope(Tensor x, int headDim, Tensor table, StepState state) {
    OpShapes.rope(x, headDim, table, state);
    t.args()
        .ptr(t.address(x))
        .i32(KernelTable.ld(x))
        .ptr(t.address(table))
        .ptr(t.address(state.counters()))
        .ptr(t.address(state.keyStart()))
        .i32(x.rows() / state.batch())
        .i32(x.rows())
        .i32(x.columns() / headDim)
        .i32(headDim);
    elementwise(Kernel.ROPE, KernelTable.activation(x.type()), x.rows(), x.columns());
  }

  /** {@link assay.backend.Backend#storeKv}. */
  void storeKv(AttentionSpec s, Tensor k, Tensor v, StepState state, Tensor kCache, Tensor vCache) {
    OpShapes.storeKv(s, k, v, state, kCache, vCache);
    sameType(k, v);
    sameType(kCache, vCache);
    t.args()
        .ptr(t.address(k))
        .i32(KernelTable.ld(k))
        .ptr(t.address(v))
        .i32(KernelTable.ld(v))
        .ptr(t.address(kCache))
        .ptr(t.address(vCache))
        .ptr(t.address(state.counters()))
        .i32(s.tokensPerSequence())
        .i32(s.rows())
        .i32(s.nKvHeads())
        .i32(s.headDim())
        .i32(s.maxSeqLen());
    elementwise(Kernel.STORE_KV, typePair(k, kCache), s.rows(), k.columns());
  }

  /**
   * RoPE of q in place, and rotated k and v into the caches, in one pass: k itself is not written,
   * nobody reads it again.
   */
  void ropeStoreKv(
      AttentionSpec s,
      Tensor q,
      Tensor k,
      Tensor v,
      Tensor table,
      StepState state,
      Tensor kCache,
      Tensor vCache) {
    OpShapes.storeKv(s, k, v, state, kCache, vCache);
    OpShapes.rope(q, s.headDim(), table, state);
    sameType(q, k);
    sameType(k, v);
    sameType(kCache, vCache);
    t.args()
        .ptr(t.address(q))
        .i32(KernelTable.ld(q))
        .ptr(t.address(k))
        .i32(KernelTable.ld(k))
        .ptr(t.address(v))
        .i32(KernelTable.ld(v))
        .ptr(t.address(kCache))
        .ptr(t.address(vCache))
        .ptr(t.address(table))
        .ptr(t.address(state.counters()))
        .ptr(t.address(state.keyStart()))
        .i32(s.tokensPerSequence())
        .i32(s.rows())
        .i32(s.nHeads())
        .i32(s.nKvHeads())
        .i32(s.headDim())
        .i32(s.maxSeqLen());
    long columns = (s.nHeads() + 2L * s.nKvHeads()) * s.headDim();
    elementwise(Kernel.ROPE_STORE, typePair(k, kCache), s.rows(), columns);
  }

  /** Rows from one plain type to another: [n, columns] each. */
  void convert(Tensor x, Tensor out) {
    OpShapes.same("out", out, x);
    t.args()
        .ptr(t.address(out))
        .i32(KernelTable.ld(out))
        .ptr(t.address(x))
        .i32(KernelTable.ld(x))
        .i32(x.rows())
        .i32(x.columns());
    elementwise(Kernel.CONVERT, typePair(x, out), x.rows(), x.columns());
  }

  /**
   * out[r] = x[r] / factors[r] in e4m3, each factor the smallest power of two that brings its row's
   * largest magnitude to 448 or less; a block a row.
   *
   * @param out F8E4M3 [n, columns]
   * @param factors F32 [1, n]
   */
  void roundF8(Tensor x, Tensor out, Tensor factors) {
    out.require("out", DType.F8E4M3, x.rows(), x.columns());
    factors.require("factors", DType.F32, 1, x.rows());
    t.args()
        .ptr(t.address(out))
        .i32(KernelTable.ld(out))
        .ptr(t.address(factors))
        .ptr(t.address(x))
        .i32(KernelTable.ld(x))
        .i32(x.columns());
    t.launch(Kernel.ROUND_F8, KernelTable.activation(x.type()), x.rows(), 1, 1);
  }

  /** y[r] *= factors[r]; factors F32 [1, n]. */
  void scaleRows(Tensor y, Tensor factors) {
    factors.require("factors", DType.F32, 1, y.rows());
    t.args()
        .ptr(t.address(y))
        .i32(KernelTable.ld(y))
        .ptr(t.address(factors))
        .i32(y.rows())
        .i32(y.columns());
    elementwise(Kernel.SCALE_ROWS, KernelTable.activation(y.type()), y.rows(), y.columns());
  }

  private static int typePair(Tensor from, Tensor to) {
    return 3 * KernelTable.activation(from.type()) + KernelTable.activation(to.type());
  }

  private static void sameType(Tensor a, Tensor b) {
    if (a.type() != b.type()) {
      throw new IllegalArgumentException("one type expected: " + a + " and " + b);
    }
  }
}
