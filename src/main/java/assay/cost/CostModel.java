package assay.cost;

import static assay.model.OpKind.*;

import assay.model.AdapterShape;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.NormKind;
import assay.model.OpKind;
import assay.model.PositionKind;
import assay.model.Precision;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The forward pass as counts: every operation with its FLOPs and bytes. Causal masks and windows
 * count only the pairs that they let through. In a mixture of experts each token passes through its
 * active experts, and the weights read are those of as many experts as the tokens can reach:
 * min(all, rows × active), an upper bound.
 */
public final class CostModel {
  private static final long F32 = 4;
  private static final long F8_MULTIPLE = 16;
  private static final long F8_FEW_ROWS = 8;

  private final ModelConfig c;
  private final StorageTypes types;
  private final PassShape shape;
  private final long n;
  private final long act;
  private final List<OpCost> ops = new ArrayList<>();

  private CostModel(ModelConfig c, StorageTypes types, PassShape shape) {
    this.c = c;
    this.types = types;
    this.shape = shape;
    this.n = shape.rows();
    this.act = types.activations().bytes(1, 1);
  }

  /** One pass of any shape. */
  public static PassCost pass(ModelConfig config, StorageTypes types, PassShape shape) {
    return pass(config, null, types, shape);
  }

  /**
   * The same with low-rank adapters beside the weights, unmerged.
   *
   * @param adapter null for none
   */
  public static PassCost pass(
      ModelConfig config, @Nullable AdapterShape adapter, StorageTypes types, PassShape shape) {
    CostModel m = new CostModel(config, types, shape);
    m.count();
    if (adapter != null) {
      m.ops.addAll(AdapterCost.ops(adapter, types, shape.rows()));
    }
    return new PassCost(shape, m.ops);
  }

  /**
   * A prompt of {@code promptTokens} tokens for each of {@code batch} sequences, in chunks of at
   * most {@code maxPassTokens}; only the last chunk computes logits, and only of each sequence's
   * last token.
   */
  public static PhaseCost prefill(
      ModelConfig config, StorageTypes types, int batch, int promptTokens, int maxPassTokens) {
    return prefill(config, null, types, batch, promptTokens, maxPassTokens);
  }

  /** The same with unmerged adapters, null for none. */
  public static PhaseCost prefill(
      ModelConfig config,
      @Nullable AdapterShape adapter,
      StorageTypes types,
      int batch,
      int promptTokens,
      int maxPassTokens) {
    List<PassCost> passes = new ArrayList<>();
    for (int first = 0; first < promptTokens; first += maxPassTokens) {
      int tokens = Math.min(maxPassTokens, promptTokens - first);
      boolean last = first + tokens == promptTokens;
      passes.add(pass(config, adapter, types, new PassShape(batch, tokens, first, last)));
    }
    return new PhaseCost(passes);
  }

  /** The same with 32-bit activations (as on the CPU) and the session's usual chunks. */
  public static PhaseCost prefill(
      ModelConfig config, Precision precision, int batch, int promptTokens) {
    return prefill(
        config,
        StorageTypes.of(precision, DType.F32),
        batch,
        promptTokens,
        SessionSize.USUAL_PASS_TOKENS);
  }

  /**
   * One decode step: every sequence feeds one token, whose query sees {@code kvLen} keys, its own
   * included (fewer under a sliding window).
   */
  public static PassCost decode(ModelConfig config, StorageTypes types, int batch, int kvLen) {
    return pass(config, types, new PassShape(batch, 1, kvLen - 1, true));
  }

  /** The same with 32-bit activations (as on the CPU). */
  public static PassCost decode(ModelConfig config, Precision precision, int batch, int kvLen) {
    return decode(config, StorageTypes.of(precision, DType.F32), batch, kvLen);
  }

  /** {@code steps} decode steps after a prompt of {@code promptTokens} tokens. */
  public static PhaseCost decodeSteps(
      ModelConfig config, StorageTypes types, int batch, int promptTokens, int steps) {
    return decodeSteps(config, null, types, batch, promptTokens, steps);
  }

  /** The same with unmerged adapters, null for none. */
  public static PhaseCost decodeSteps(
      ModelConfig config,
      @Nullable AdapterShape adapter,
      StorageTypes types,
      int batch,
      int promptTokens,
      int steps) {
    List<PassCost> passes = new ArrayList<>();
    for (int s = 1; s <= steps; s++) {
      passes.add(pass(config, adapter, types, new PassShape(batch, 1, promptTokens + s - 1, true)));
    }
    return new PhaseCost(passes);
  }

  // ---- the pass, in order

  private void count() {
    embed();
    norm("first_norm", n, false, 1);
    int windowed = Math.max(0, c.nLayers() - c.firstWindowLayer());
    long unwindowed = c.slidingWindow() == 0 ? c.nLayers() : c.nLayers() - windowed;
    layers(unwindowed, 0);
    layers(c.nLayers() - unwindowed, c.slidingWindow());
    // The last block's output is added without a norm of all rows behind it.
    norm("layer_norms", n, true, 2L * c.nLayers() - 1);
    long width = c.hiddenSize();
    add("last_residual", ADD, Part.NORM, 1, n, Flops.add(n, width), 0, 3 * n * width * F32);
    if (shape.logits()) {
      logits();
    }
    add("advance", ADVANCE, Part.OTHER, 1, 1, 0, 0, 4 * F32);
  }

  private void embed() {
    long width = c.hiddenSize();
    DType table = types.precision().weightType();
    boolean learned = c.positions() == PositionKind.LEARNED;
    long rows = learned ? 2 * n : n;
    add(
        "embed",
        EMBED,
        Part.EMBEDDING,
        1,
        n,
        learned ? Flops.add(n, width) : 0,
        table.bytes(rows, width),
        n * F32 + n * width * F32);
  }

  /** A norm of the fp32 residual stream into activations, adding a delta first or not. */
  private void norm(String name, long rows, boolean residual, long launches) {
    long width = c.hiddenSize();
    long gains = (c.norm() == NormKind.LAYER ? 2 : 1) * width * F32;
    long moved = residual ? rows * width * (2 * F32 + 2 * act) : rows * width * (F32 + act);
    add(
        name,
        NORM,
        Part.NORM,
        launches,
        rows,
        Flops.norm(c.norm(), rows, width, residual),
        gains,
        moved);
  }

  private void layers(long count, int window) {
    if (count == 0) {
      return;
    }
    long h = c.hiddenSize();
    long q = c.qDim();
    long kv = c.kvDim();
    matmul("qkv", Part.PROJECTIONS, count, n, h, q + 2 * kv, 1, act);
    if (c.qkvBias()) {
      bias("qkv_bias", Part.PROJECTIONS, count, n, q + 2 * kv);
    }
    if (c.qkNorm()) {
      headNorm("q_norm", count, q);
      headNorm("k_norm", count, kv);
    }
    if (c.positions() == PositionKind.ROPE) {
      rope("q_rope", count, q);
      rope("k_rope", count, kv);
    }
    storeKv(count);
    attention(count, window);
    matmul("o", Part.PROJECTIONS, count, n, q, h, 1, act);
    if (c.outputBias()) {
      bias("o_bias", Part.PROJECTIONS, count, n, h);
    }
    mlp(count);
  }

  private void headNorm(String name, long count, long width) {
    add(
        name,
        NORM,
        Part.NORM,
        count,
        n,
        Flops.norm(NormKind.RMS, n, width, false),
        c.headDim() * F32,
        2 * n * width * act);
  }

  private void rope(String name, long count, long width) {
    add(
        name,
        ROPE,
        Part.PROJECTIONS,
        count,
        n,
        Flops.rope(n, width),
        (long) shape.tokens() * c.headDim() * F32,
        2 * n * width * act);
  }

  private void storeKv(long count) {
    long written = 2 * types.kvCache().bytes(n * c.nKvHeads(), c.headDim());
    ops.add(
        new OpCost(
                "store_kv",
                STORE_KV,
                Part.ATTENTION,
                1,
                n,
                0,
                0,
                0,
                written,
                2 * n * c.kvDim() * act)
            .times(count));
  }

  private void attention(long count, int window) {
    long first = shape.firstPosition();
    long pairs =
        Math.multiplyExact(shape.batch(), CausalPairs.pairs(first, shape.tokens(), window));
    long keys = Math.multiplyExact(shape.batch(), CausalPairs.keys(first, shape.tokens(), window));
    boolean alibi = c.positions() == PositionKind.ALIBI;
    long kvRows = Math.multiplyExact(keys, (long) c.nKvHeads());
    ops.add(
        new OpCost(
                window > 0 ? "window_attention" : "attention",
                ATTENTION,
                Part.ATTENTION,
                1,
                n,
                Flops.attention(pairs, n, c.nHeads(), c.headDim(), alibi),
                0,
                2 * types.kvCache().bytes(kvRows, c.headDim()),
                0,
                2 * n * c.qDim() * act)
            .times(count));
  }

  private void mlp(long count) {
    long h = c.hiddenSize();
    long inner = c.intermediateSize();
    long up = c.gatedMlp() ? 2 * inner : inner;
    long rows = Math.multiplyExact(n, (long) c.nActiveExperts());
    long experts = Math.min(c.nExperts(), rows);
    if (c.nExperts() > 1) {
      long routerBytes = DType.F32.bytes(c.nExperts(), h);
      add(
          "router",
          MATMUL,
          Part.MLP,
          count,
          n,
          Flops.matmul(n, h, c.nExperts()),
          routerBytes,
          n * (h + c.nExperts()) * act);
    }
    matmul(c.gatedMlp() ? "gate_up" : "up", Part.MLP, count, rows, h, up, experts, act);
    if (c.mlpBias()) {
      bias("up_bias", Part.MLP, count, rows, up);
    }
    add(
        "activation",
        ACTIVATION,
        Part.MLP,
        count,
        rows,
        Flops.activation(c.activation(), c.gatedMlp(), rows, inner),
        0,
        rows * (up + inner) * act);
    matmul("down", Part.MLP, count, rows, inner, h, experts, act);
    if (c.mlpBias()) {
      bias("down_bias", Part.MLP, count, rows, h);
    }
    if (c.nExperts() > 1) {
      // Each token's expert outputs, weighted by the router, are summed.
      add("mix", ADD, Part.MLP, count, rows, 2 * Flops.add(rows, h), 0, (rows + n) * h * act);
    }
  }

  private void logits() {
    long batch = shape.batch();
    norm("final_norm", batch, false, 1);
    matmul("head", Part.HEAD, 1, batch, c.hiddenSize(), c.vocabSize(), 1, F32);
    add("sample", SAMPLE, Part.OTHER, 1, batch, 0, 0, batch * (c.vocabSize() + 2) * F32);
  }

  // ---- shared shapes

  private void matmul(
      String name,
      Part part,
      long count,
      long rows,
      long in,
      long out,
      long experts,
      long outBytes) {
    long weights = types.precision().weightType().bytes(Math.multiplyExact(experts, out), in);
    add(
        name,
        MATMUL,
        part,
        count,
        rows,
        Flops.matmul(rows, in, out),
        weights,
        rows * (in * act + out * outBytes) + f8Bytes(rows, in, out, outBytes));
  }

  /**
   * In fp8 with bf16 activations products of many rows round those to e4m3 where the widths of all
   * layers are multiples of 16: codes and a factor a row are written and read, and the result is
   * read and written once more to give each row its factor back.
   */
  private long f8Bytes(long rows, long in, long out, long outBytes) {
    boolean types8 = types.precision() == Precision.FP8 && types.activations() == DType.BF16;
    boolean layers =
        (c.hiddenSize() | c.qDim() | c.kvDim() | c.intermediateSize()) % F8_MULTIPLE == 0;
    if (!types8 || !layers || (in | out) % F8_MULTIPLE != 0 || rows <= F8_FEW_ROWS) {
      return 0;
    }
    return 2 * rows * in + 2 * rows * F32 + 2 * rows * out * outBytes;
  }

  private void bias(String name, Part part, long count, long rows, long width) {
    add(name, BIAS, part, count, rows, Flops.add(rows, width), width * F32, 2 * rows * width * act);
  }

  private void add(
      String name,
      OpKind kind,
      Part part,
      long launches,
      long rows,
      long flops,
      long weightBytes,
      long activationBytes) {
    ops.add(
        new OpCost(name, kind, part, 1, rows, flops, weightBytes, 0, 0, activationBytes)
            .times(launches));
  }
}
