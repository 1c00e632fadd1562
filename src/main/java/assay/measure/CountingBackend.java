package assay.measure;

import assay.backend.AttentionSpec;
import assay.backend.Backend;
import assay.backend.InputRounding;
import assay.backend.Recording;
import assay.backend.SamplingSpec;
import assay.backend.SessionShape;
import assay.backend.StepState;
import assay.model.Activation;
import assay.model.NormKind;
import assay.model.OpKind;
import assay.tensor.Arena;
import assay.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * Counts what a back end is really asked to do, from the shapes of the tensors that pass through,
 * and shares no code with the prediction. The convention is the one the prediction states too: an
 * addition, multiplication, comparison or transcendental function is 1, a multiply-add 2; copying,
 * conversion, gathering and sampling count nothing; attention counts only the pairs that the mask
 * lets through.
 *
 * <p>Off, it only hands on. On, it reads positions from the device before each attention, so a
 * counted pass is not for timing. Replays of a recording cannot be seen and are refused while it
 * counts.
 */
final class CountingBackend extends ForwardingBackend {
  private final VisiblePairs visible;
  private final SequencedMap<OpLabel, OpCounts> counts = new LinkedHashMap<>();
  private @Nullable SessionShape session;
  private boolean counting;

  CountingBackend(Backend inner) {
    super(inner);
    this.visible = new VisiblePairs(inner);
  }

  @Override
  public void reserveWorkspace(SessionShape shape, Arena arena) {
    session = shape;
    super.reserveWorkspace(shape, arena);
  }

  /** Counts from nothing on. */
  void start() {
    counts.clear();
    counting = true;
  }

  /** Ends counting and returns what was counted, in the order of first use. */
  SequencedMap<OpLabel, OpCounts> stop() {
    counting = false;
    return new LinkedHashMap<>(counts);
  }

  /** The sum over labels. */
  static OpCounts sum(Map<OpLabel, OpCounts> counts) {
    return counts.values().stream().reduce(OpCounts.NONE, OpCounts::plus);
  }

  private void count(
      OpKind kind,
      String shape,
      long flops,
      long weightBytes,
      long kvReadBytes,
      long kvWriteBytes,
      long otherBytes) {
    counts.merge(
        new OpLabel(kind, shape),
        new OpCounts(1, flops, weightBytes, kvReadBytes, kvWriteBytes, otherBytes),
        OpCounts::plus);
  }

  private void count(OpKind kind, String shape, long flops, long weightBytes, long otherBytes) {
    count(kind, shape, flops, weightBytes, 0, 0, otherBytes);
  }

  private static long elements(Tensor t) {
    return (long) t.rows() * t.columns();
  }

  private static long bytes(@Nullable Tensor t) {
    return t == null ? 0 : t.bytes();
  }

  @Override
  public Recording record(Runnable body) {
    if (counting) {
      throw new IllegalStateException("a recording cannot be counted: its body may run twice");
    }
    Recording recording = super.record(body);
    return new Recording() {
      @Override
      public void replay() {
        if (counting) {
          throw new IllegalStateException("a replay cannot be counted");
        }
        recording.replay();
      }

      @Override
      public void close() {
        recording.close();
      }
    };
  }

  @Override
  public void embed(
      Tensor tokens, Tensor table, @Nullable Tensor positionTable, StepState state, Tensor out) {
    if (counting) {
      long gathered = table.type().bytes(out.rows(), table.columns());
      long flops = 0;
      if (positionTable != null) {
        gathered += positionTable.type().bytes(out.rows(), table.columns());
        flops = elements(out);
      }
      count(OpKind.EMBED, Labels.width(out), flops, gathered, tokens.bytes() + out.bytes());
    }
    super.embed(tokens, table, positionTable, state, out);
  }

  /** Square and add, times inverse, times gain; a layer norm also sums, subtracts and adds. */
  private static long normFlops(NormKind kind) {
    return kind == NormKind.RMS ? 4 : 7;
  }

  @Override
  public void norm(
      NormKind kind, Tensor x, Tensor gain, @Nullable Tensor bias, float eps, Tensor out) {
    if (counting) {
      long flops = normFlops(kind) * elements(x);
      count(
          OpKind.NORM, Labels.width(x), flops, bytes(gain) + bytes(bias), x.bytes() + out.bytes());
    }
    super.norm(kind, x, gain, bias, eps, out);
  }

  @Override
  public void addNorm(
      Tensor x,
      Tensor delta,
      NormKind kind,
      Tensor gain,
      @Nullable Tensor bias,
      float eps,
      Tensor out) {
    if (counting) {
      long flops = (normFlops(kind) + 1) * elements(x);
      long moved = 2 * x.bytes() + delta.bytes() + out.bytes();
      count(OpKind.NORM, Labels.addedWidth(x), flops, bytes(gain) + bytes(bias), moved);
    }
    super.addNorm(x, delta, kind, gain, bias, eps, out);
  }

  @Override
  public void headNorm(Tensor x, Tensor gain, float eps) {
    if (counting) {
      long flops = normFlops(NormKind.RMS) * elements(x);
      count(OpKind.NORM, Labels.headWidth(x, gain), flops, gain.bytes(), 2 * x.bytes());
    }
    super.headNorm(x, gain, eps);
  }

  @Override
  public void matmul(Tensor x, Tensor weight, Tensor out, boolean accumulate) {
    if (counting) {
      long flops = 2 * elements(x) * weight.rows() + (accumulate ? elements(out) : 0);
      long moved = x.bytes() + (accumulate ? 2 : 1) * out.bytes() + roundingBytes(x, weight, out);
      count(OpKind.MATMUL, Labels.matmul(weight), flops, weight.bytes(), moved);
    }
    super.matmul(x, weight, out, accumulate);
  }

  /**
   * What rounding to e4m3 moves beside: codes and a factor a row are written and read, the result
   * is read and written once more.
   */
  private long roundingBytes(Tensor x, Tensor weight, Tensor out) {
    boolean rounded =
        session != null
            && inner().inputRounding(session.precision(), session.config(), x.rows(), weight)
                == InputRounding.FP8_ROWS;
    return rounded ? 2 * elements(x) + 2L * 4 * x.rows() + 2 * out.bytes() : 0;
  }

  @Override
  public void bias(Tensor x, Tensor bias) {
    if (counting) {
      count(OpKind.BIAS, Labels.width(x), elements(x), bias.bytes(), 2 * x.bytes());
    }
    super.bias(x, bias);
  }

  @Override
  public void rope(Tensor x, int headDim, Tensor table, StepState state) {
    if (counting) {
      // Each pair takes four multiplications and two additions.
      long tableBytes = table.type().bytes(Math.max(1, x.rows() / state.batch()), table.columns());
      count(OpKind.ROPE, Labels.width(x), 3 * elements(x), 0, 2 * x.bytes() + tableBytes);
    }
    super.rope(x, headDim, table, state);
  }

  @Override
  public void storeKv(
      AttentionSpec spec, Tensor k, Tensor v, StepState state, Tensor kCache, Tensor vCache) {
    if (counting) {
      long cacheRows = (long) spec.rows() * spec.nKvHeads();
      long written =
          kCache.type().bytes(cacheRows, spec.headDim())
              + vCache.type().bytes(cacheRows, spec.headDim());
      count(OpKind.STORE_KV, Labels.width(k), 0, 0, 0, written, k.bytes() + v.bytes());
    }
    super.storeKv(spec, k, v, state, kCache, vCache);
  }

  @Override
  public void attention(
      AttentionSpec spec,
      Tensor q,
      Tensor kCache,
      Tensor vCache,
      StepState state,
      @Nullable Tensor mask,
      Tensor out) {
    if (counting) {
      countAttention(spec, q, kCache, vCache, state, mask, out, 0);
    }
    super.attention(spec, q, kCache, vCache, state, mask, out);
  }

  @Override
  public void storedAttention(
      AttentionSpec spec,
      Tensor q,
      Tensor kCache,
      Tensor vCache,
      StepState state,
      @Nullable Tensor mask,
      Tensor scores,
      Tensor out) {
    if (counting) {
      // Scores are written, masked in place, normalised in place and read.
      countAttention(spec, q, kCache, vCache, state, mask, out, 6);
    }
    super.storedAttention(spec, q, kCache, vCache, state, mask, scores, out);
  }

  private void countAttention(
      AttentionSpec spec,
      Tensor q,
      Tensor kCache,
      Tensor vCache,
      StepState state,
      @Nullable Tensor mask,
      Tensor out,
      int scorePasses) {
    VisiblePairs.Count seen = visible.count(spec, state, mask);
    // q·k and p·v: a multiply-add per element each. Scale, maximum, subtract, exponential, sum: 5;
    // ALiBi's product and addition: 2. Dividing by the sum: once per output element.
    long perPair = 4L * spec.headDim() + 5 + (spec.alibi() ? 2 : 0);
    long flops = perPair * seen.pairs() * spec.nHeads() + elements(q);
    long cacheRows = seen.keys() * spec.nKvHeads();
    long read =
        kCache.type().bytes(cacheRows, spec.headDim())
            + vCache.type().bytes(cacheRows, spec.headDim());
    long scores = 4L * scorePasses * seen.pairs() * spec.nHeads();
    count(
        OpKind.ATTENTION,
        Labels.attention(spec),
        flops,
        0,
        read,
        0,
        q.bytes() + out.bytes() + scores);
  }

  @Override
  public void attentionScores(
      AttentionSpec spec, Tensor q, Tensor kCache, StepState state, Tensor scores) {
    refuseWhileCounting();
    super.attentionScores(spec, q, kCache, state, scores);
  }

  @Override
  public void maskScores(
      AttentionSpec spec, StepState state, @Nullable Tensor mask, Tensor scores) {
    refuseWhileCounting();
    super.maskScores(spec, state, mask, scores);
  }

  @Override
  public void softmax(AttentionSpec spec, StepState state, Tensor scores) {
    refuseWhileCounting();
    super.softmax(spec, state, scores);
  }

  @Override
  public void attentionValues(
      AttentionSpec spec, Tensor scores, Tensor vCache, StepState state, Tensor out) {
    refuseWhileCounting();
    super.attentionValues(spec, scores, vCache, state, out);
  }

  private void refuseWhileCounting() {
    if (counting) {
      throw new IllegalStateException("stored attention is counted as a whole");
    }
  }

  @Override
  public void activation(Activation activation, boolean gated, Tensor x, Tensor out) {
    if (counting) {
      long perElement = activationFlops(activation) + (gated ? 1 : 0);
      long flops = perElement * elements(out);
      count(OpKind.ACTIVATION, Labels.width(out), flops, 0, x.bytes() + out.bytes());
    }
    super.activation(activation, gated, x, out);
  }

  /**
   * The closed forms, operation by operation: x/(1+exp(−x)) negates, exponentiates, adds, divides.
   */
  private static long activationFlops(Activation activation) {
    return switch (activation) {
      case RELU, TANH -> 1;
      case SILU, SIGMOID -> 4;
      case GELU_ERF, HARDSWISH -> 5;
      case GELU_TANH -> 9;
    };
  }

  @Override
  public void add(Tensor x, Tensor delta) {
    if (counting) {
      count(OpKind.ADD, Labels.width(x), elements(x), 0, 2 * x.bytes() + delta.bytes());
    }
    super.add(x, delta);
  }

  @Override
  public void sample(
      SamplingSpec spec,
      Tensor logits,
      @Nullable Tensor uniforms,
      StepState state,
      Tensor tokens,
      Tensor history) {
    if (counting) {
      count(OpKind.SAMPLE, Labels.width(logits), 0, 0, logits.bytes() + 2 * tokens.bytes());
    }
    super.sample(spec, logits, uniforms, state, tokens, history);
  }

  @Override
  public void advance(StepState state, int tokens, int draws) {
    if (counting) {
      count(OpKind.ADVANCE, "", 0, 0, 2 * state.counters().bytes());
    }
    super.advance(state, tokens, draws);
  }
}
