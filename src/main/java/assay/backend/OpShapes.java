package assay.backend;

import assay.model.DType;
import assay.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * The shape rules of every operation in one place: each back end calls these on entry, so that all
 * refuse the same mistakes with the same words.
 */
public final class OpShapes {
  private OpShapes() {}

  /** See {@link Backend#embed}. */
  public static void embed(
      Tensor tokens, Tensor table, @Nullable Tensor positionTable, StepState state, Tensor out) {
    tokens.require("tokens", DType.I32, 1, out.rows());
    columns("out", out, table.columns());
    if (positionTable != null) {
      columns("position table", positionTable, table.columns());
    }
    batchDivides(state, out.rows());
  }

  /** See {@link Backend#norm}. */
  public static void norm(Tensor x, Tensor gain, @Nullable Tensor bias, Tensor out) {
    gain.require("gain", DType.F32, 1, x.columns());
    if (bias != null) {
      bias.require("bias", DType.F32, 1, x.columns());
    }
    same("out", out, x);
  }

  /** See {@link Backend#headNorm}. */
  public static void headNorm(Tensor x, Tensor gain) {
    gain.require("gain", DType.F32, 1, gain.columns());
    if (x.columns() % gain.columns() != 0) {
      throw new IllegalArgumentException(x + " is not made of heads of " + gain.columns());
    }
  }

  /** See {@link Backend#matmul}. */
  public static void matmul(Tensor x, Tensor weight, Tensor out) {
    columns("x", x, weight.columns());
    if (out.rows() != x.rows() || out.columns() != weight.rows()) {
      throw new IllegalArgumentException(
          "out is %s: expected [%d, %d]".formatted(out, x.rows(), weight.rows()));
    }
  }

  /** See {@link Backend#bias}. */
  public static void bias(Tensor x, Tensor bias) {
    bias.require("bias", DType.F32, 1, x.columns());
  }

  /** See {@link Backend#rope}. */
  public static void rope(Tensor x, int headDim, Tensor table, StepState state) {
    columns("rotary table", table, headDim);
    if (headDim % 2 != 0 || x.columns() % headDim != 0) {
      throw new IllegalArgumentException(x + " is not made of even heads of " + headDim);
    }
    batchDivides(state, x.rows());
  }

  /** See {@link Backend#storeKv}. */
  public static void storeKv(
      AttentionSpec s, Tensor k, Tensor v, StepState state, Tensor kCache, Tensor vCache) {
    columns("k", k, s.nKvHeads() * s.headDim());
    columns("v", v, s.nKvHeads() * s.headDim());
    rows("k", k, s.rows());
    rows("v", v, s.rows());
    cache("K cache", s, kCache);
    cache("V cache", s, vCache);
    batch(s, state);
  }

  /** See {@link Backend#attention}. */
  public static void attention(
      AttentionSpec s,
      Tensor q,
      Tensor kCache,
      Tensor vCache,
      StepState state,
      @Nullable Tensor mask,
      Tensor out) {
    rows("q", q, s.rows());
    columns("q", q, s.nHeads() * s.headDim());
    cache("K cache", s, kCache);
    cache("V cache", s, vCache);
    same("out", out, q);
    mask(s, mask);
    batch(s, state);
  }

  /** See {@link Backend#storedAttention}. */
  public static void scores(AttentionSpec s, Tensor scores, StepState state) {
    scores.require("scores", DType.F32, s.rows() * s.nHeads(), s.maxSeqLen());
    batch(s, state);
  }

  /** A mask matrix by slots. */
  public static void mask(AttentionSpec s, @Nullable Tensor mask) {
    if (mask != null) {
      mask.require("mask", DType.U8, s.maxSeqLen(), s.maxSeqLen());
    }
  }

  /** See {@link Backend#activation}. */
  public static void activation(boolean gated, Tensor x, Tensor out) {
    rows("out", out, x.rows());
    columns("x", x, gated ? 2 * out.columns() : out.columns());
  }

  /** See {@link Backend#sample}. */
  public static void sample(
      SamplingSpec spec,
      Tensor logits,
      @Nullable Tensor uniforms,
      StepState state,
      Tensor tokens,
      Tensor history) {
    int batch = state.batch();
    rows("logits", logits, batch);
    tokens.require("tokens", DType.I32, 1, batch);
    columns("history", history, batch);
    if (!spec.isGreedy()) {
      if (uniforms == null) {
        throw new IllegalArgumentException("sampling that is not greedy needs uniforms");
      }
      columns("uniforms", uniforms, batch);
    }
  }

  /** Equal shapes. */
  public static void same(String what, Tensor t, Tensor as) {
    if (t.rows() != as.rows() || t.columns() != as.columns()) {
      throw new IllegalArgumentException(
          "%s is %s: expected [%d, %d]".formatted(what, t, as.rows(), as.columns()));
    }
  }

  private static void cache(String what, AttentionSpec s, Tensor cache) {
    rows(what, cache, s.batch() * s.nKvHeads() * s.maxSeqLen());
    columns(what, cache, s.headDim());
  }

  private static void batch(AttentionSpec s, StepState state) {
    if (state.batch() != s.batch()) {
      throw new IllegalArgumentException(
          "state of %d sequences for a batch of %d".formatted(state.batch(), s.batch()));
    }
  }

  private static void batchDivides(StepState state, int rows) {
    if (rows % state.batch() != 0) {
      throw new IllegalArgumentException(
          "%d rows are no whole passes of %d sequences".formatted(rows, state.batch()));
    }
  }

  private static void rows(String what, Tensor t, int rows) {
    if (t.rows() != rows) {
      throw new IllegalArgumentException("%s is %s: expected %d rows".formatted(what, t, rows));
    }
  }

  private static void columns(String what, Tensor t, int columns) {
    if (t.columns() != columns) {
      throw new IllegalArgumentException(
          "%s is %s: expected %d columns".formatted(what, t, columns));
    }
  }
}
