package assay.backend.reference;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import assay.backend.AttentionSpec;
import assay.backend.BackendInfo;
import assay.backend.HostBackend;
import assay.backend.OpShapes;
import assay.backend.SamplingSpec;
import assay.backend.SessionShape;
import assay.backend.StepState;
import assay.model.Activation;
import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.NormKind;
import assay.model.Precision;
import assay.tensor.Arena;
import assay.tensor.HostBuffer;
import assay.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Every operation as its formula reads. Activations are fp32 in memory; every sum is accumulated in
 * fp64.
 */
public final class ReferenceBackend extends HostBackend {

  @Override
  public BackendInfo info() {
    return new BackendInfo(
        "reference", "plain loops, fp64 accumulation", "ReferenceBackend", Map.of());
  }

  @Override
  public boolean supports(Precision precision) {
    return true;
  }

  @Override
  public String arithmetic(Precision precision, boolean prefill) {
    return "fp64 over stored values";
  }

  @Override
  public DType activationType(Precision precision) {
    return DType.F32;
  }

  @Override
  public long workspaceBytes(SessionShape shape) {
    return 0;
  }

  @Override
  public void reserveWorkspace(SessionShape shape, Arena arena) {
    // Plain loops need none.
  }

  // ---- rows

  private static float[] row(Tensor t, int r) {
    float[] out = new float[t.columns()];
    BlockFormat.decodeRow(t.type(), HostBuffer.of(t), at(t, r), t.columns(), out, 0);
    if (t.scale() != 1) {
      for (int i = 0; i < out.length; i++) {
        out[i] *= t.scale();
      }
    }
    return out;
  }

  private static void setRow(Tensor t, int r, float[] values) {
    BlockFormat.encodeRow(t.type(), values, 0, t.columns(), HostBuffer.of(t), at(t, r));
  }

  private static long at(Tensor t, int r) {
    return t.offsetBytes() + r * t.rowStrideBytes();
  }

  private static int intAt(Tensor t, int r, int c) {
    return HostBuffer.of(t).get(JAVA_INT_UNALIGNED, at(t, r) + 4L * c);
  }

  private static void setInt(Tensor t, int r, int c, int value) {
    HostBuffer.of(t).set(JAVA_INT_UNALIGNED, at(t, r) + 4L * c, value);
  }

  private static int slot(StepState s) {
    return intAt(s.counters(), 0, StepState.SLOT);
  }

  /** Position of row r of a pass of n rows: slots since its sequence began. */
  private static int position(StepState s, int r, int n) {
    int perSequence = n / s.batch();
    int start = intAt(s.keyStart(), 0, r / perSequence);
    return Math.max(0, slot(s) + r % perSequence - start);
  }

  // ---- operations

  @Override
  public void embed(
      Tensor tokens, Tensor table, @Nullable Tensor positionTable, StepState state, Tensor out) {
    OpShapes.embed(tokens, table, positionTable, state, out);
    for (int r = 0; r < out.rows(); r++) {
      int id = intAt(tokens, 0, r);
      float[] x = new float[out.columns()];
      if (id < 0 || id >= table.rows()) {
        java.util.Arrays.fill(x, Float.NaN);
      } else {
        x = row(table, id);
      }
      if (positionTable != null) {
        float[] p = row(positionTable, position(state, r, out.rows()));
        for (int i = 0; i < x.length; i++) {
          x[i] += p[i];
        }
      }
      setRow(out, r, x);
    }
  }

  @Override
  public void norm(
      NormKind kind, Tensor x, Tensor gain, @Nullable Tensor bias, float eps, Tensor out) {
    OpShapes.norm(x, gain, bias, out);
    float[] g = row(gain, 0);
    float[] b = bias == null ? new float[g.length] : row(bias, 0);
    for (int r = 0; r < x.rows(); r++) {
      float[] v = row(x, r);
      normalize(kind, v, 0, v.length, g, eps);
      for (int i = 0; i < v.length; i++) {
        v[i] += b[i];
      }
      setRow(out, r, v);
    }
  }

  private static void normalize(
      NormKind kind, float[] v, int from, int count, float[] gain, float eps) {
    double mean = 0;
    if (kind == NormKind.LAYER) {
      for (int i = 0; i < count; i++) {
        mean += v[from + i];
      }
      mean /= count;
    }
    double squares = 0;
    for (int i = 0; i < count; i++) {
      squares += (v[from + i] - mean) * (v[from + i] - mean);
    }
    double scale = 1 / Math.sqrt(squares / count + eps);
    for (int i = 0; i < count; i++) {
      v[from + i] = (float) ((v[from + i] - mean) * scale * gain[i]);
    }
  }

  @Override
  public void headNorm(Tensor x, Tensor gain, float eps) {
    OpShapes.headNorm(x, gain);
    float[] g = row(gain, 0);
    for (int r = 0; r < x.rows(); r++) {
      float[] v = row(x, r);
      for (int from = 0; from < v.length; from += g.length) {
        normalize(NormKind.RMS, v, from, g.length, g, eps);
      }
      setRow(x, r, v);
    }
  }

  @Override
  public void matmul(Tensor x, Tensor weight, Tensor out, boolean accumulate) {
    OpShapes.matmul(x, weight, out);
    double[][] sums = new double[x.rows()][out.columns()];
    float[][] inputs = new float[x.rows()][];
    for (int r = 0; r < x.rows(); r++) {
      inputs[r] = row(x, r);
    }
    for (int o = 0; o < weight.rows(); o++) {
      float[] w = row(weight, o);
      for (int r = 0; r < x.rows(); r++) {
        sums[r][o] = dot(inputs[r], w);
      }
    }
    for (int r = 0; r < x.rows(); r++) {
      float[] y = accumulate ? row(out, r) : new float[out.columns()];
      for (int o = 0; o < y.length; o++) {
        y[o] = (float) (y[o] + sums[r][o]);
      }
      setRow(out, r, y);
    }
  }

  private static double dot(float[] a, float[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += (double) a[i] * b[i];
    }
    return sum;
  }

  @Override
  public void bias(Tensor x, Tensor bias) {
    OpShapes.bias(x, bias);
    float[] b = row(bias, 0);
    for (int r = 0; r < x.rows(); r++) {
      float[] v = row(x, r);
      for (int i = 0; i < v.length; i++) {
        v[i] += b[i];
      }
      setRow(x, r, v);
    }
  }

  @Override
  public void rope(Tensor x, int headDim, Tensor table, StepState state) {
    OpShapes.rope(x, headDim, table, state);
    int half = headDim / 2;
    for (int r = 0; r < x.rows(); r++) {
      float[] angles = row(table, position(state, r, x.rows()));
      float[] v = row(x, r);
      for (int head = 0; head < v.length; head += headDim) {
        for (int i = 0; i < half; i++) {
          double a = v[head + i];
          double b = v[head + i + half];
          v[head + i] = (float) (a * angles[i] - b * angles[half + i]);
          v[head + i + half] = (float) (b * angles[i] + a * angles[half + i]);
        }
      }
      setRow(x, r, v);
    }
  }

  @Override
  public void storeKv(
      AttentionSpec spec, Tensor k, Tensor v, StepState state, Tensor kCache, Tensor vCache) {
    OpShapes.storeKv(spec, k, v, state, kCache, vCache);
    int slot = slot(state);
    for (int r = 0; r < spec.rows(); r++) {
      float[] keys = row(k, r);
      float[] values = row(v, r);
      for (int head = 0; head < spec.nKvHeads(); head++) {
        int d = spec.headDim();
        int cacheRow =
            spec.cacheRow(r / spec.tokensPerSequence(), head, slot + r % spec.tokensPerSequence());
        setRow(kCache, cacheRow, java.util.Arrays.copyOfRange(keys, head * d, (head + 1) * d));
        setRow(vCache, cacheRow, java.util.Arrays.copyOfRange(values, head * d, (head + 1) * d));
      }
    }
  }

  /** Whether the query of row r sees key slot j: the definition of {@link AttentionSpec}. */
  private static boolean sees(
      AttentionSpec spec, StepState state, @Nullable Tensor mask, int r, int key) {
    int query = slot(state) + r % spec.tokensPerSequence();
    if (key < intAt(state.keyStart(), 0, r / spec.tokensPerSequence())
        || (spec.causal() && key > query)
        || (spec.window() > 0 && query - key >= spec.window())) {
      return false;
    }
    return mask == null || HostBuffer.of(mask).get(JAVA_BYTE, at(mask, query) + key) != 0;
  }

  private static double score(
      AttentionSpec spec, Tensor kCache, StepState state, float[] q, int r, int head, int key) {
    float[] k = row(kCache, spec.cacheRow(r / spec.tokensPerSequence(), spec.kvHead(head), key));
    double sum = 0;
    for (int i = 0; i < spec.headDim(); i++) {
      sum += (double) q[head * spec.headDim() + i] * k[i];
    }
    sum *= spec.scale();
    if (spec.alibi()) {
      int query = slot(state) + r % spec.tokensPerSequence();
      sum += AttentionSpec.alibiSlope(head, spec.nHeads()) * (key - query);
    }
    return sum;
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
    OpShapes.attention(spec, q, kCache, vCache, state, mask, out);
    int keys = slot(state) + spec.tokensPerSequence();
    for (int r = 0; r < spec.rows(); r++) {
      float[] query = row(q, r);
      float[] result = new float[out.columns()];
      for (int head = 0; head < spec.nHeads(); head++) {
        double[] scores = new double[keys];
        for (int j = 0; j < keys; j++) {
          scores[j] =
              sees(spec, state, mask, r, j)
                  ? score(spec, kCache, state, query, r, head, j)
                  : Double.NEGATIVE_INFINITY;
        }
        softmax(scores);
        weightedValues(spec, scores, vCache, r, head, result);
      }
      setRow(out, r, result);
    }
  }

  private static void weightedValues(
      AttentionSpec spec, double[] p, Tensor vCache, int r, int head, float[] result) {
    double[] sum = new double[spec.headDim()];
    for (int j = 0; j < p.length; j++) {
      if (p[j] != 0) {
        float[] v = row(vCache, spec.cacheRow(r / spec.tokensPerSequence(), spec.kvHead(head), j));
        for (int i = 0; i < sum.length; i++) {
          sum[i] += p[j] * v[i];
        }
      }
    }
    for (int i = 0; i < sum.length; i++) {
      result[head * spec.headDim() + i] = (float) sum[i];
    }
  }

  /** In place; a row of −∞ alone becomes zeros, a NaN makes the row NaN. */
  private static void softmax(double[] x) {
    double max = Double.NEGATIVE_INFINITY;
    for (double v : x) {
      max = Math.max(max, v);
    }
    if (max == Double.NEGATIVE_INFINITY) {
      java.util.Arrays.fill(x, 0);
      return;
    }
    double sum = 0;
    for (int j = 0; j < x.length; j++) {
      x[j] = Math.exp(x[j] - max);
      sum += x[j];
    }
    for (int j = 0; j < x.length; j++) {
      x[j] /= sum;
    }
  }

  @Override
  public void attentionScores(
      AttentionSpec spec, Tensor q, Tensor kCache, StepState state, Tensor scores) {
    OpShapes.scores(spec, scores, state);
    int keys = slot(state) + spec.tokensPerSequence();
    for (int r = 0; r < spec.rows(); r++) {
      float[] query = row(q, r);
      for (int head = 0; head < spec.nHeads(); head++) {
        float[] s = row(scores, r * spec.nHeads() + head);
        for (int j = 0; j < keys; j++) {
          s[j] = (float) score(spec, kCache, state, query, r, head, j);
        }
        setRow(scores, r * spec.nHeads() + head, s);
      }
    }
  }

  @Override
  public void maskScores(
      AttentionSpec spec, StepState state, @Nullable Tensor mask, Tensor scores) {
    OpShapes.scores(spec, scores, state);
    OpShapes.mask(spec, mask);
    int keys = slot(state) + spec.tokensPerSequence();
    MemorySegment memory = HostBuffer.of(scores);
    for (int row = 0; row < scores.rows(); row++) {
      for (int j = 0; j < keys; j++) {
        if (!sees(spec, state, mask, row / spec.nHeads(), j)) {
          memory.set(JAVA_FLOAT_UNALIGNED, at(scores, row) + 4L * j, Float.NEGATIVE_INFINITY);
        }
      }
    }
  }

  @Override
  public void softmax(AttentionSpec spec, StepState state, Tensor scores) {
    OpShapes.scores(spec, scores, state);
    int keys = slot(state) + spec.tokensPerSequence();
    for (int r = 0; r < scores.rows(); r++) {
      float[] s = row(scores, r);
      double[] p = new double[keys];
      for (int j = 0; j < keys; j++) {
        p[j] = s[j];
      }
      softmax(p);
      for (int j = 0; j < keys; j++) {
        s[j] = (float) p[j];
      }
      setRow(scores, r, s);
    }
  }

  @Override
  public void attentionValues(
      AttentionSpec spec, Tensor scores, Tensor vCache, StepState state, Tensor out) {
    OpShapes.scores(spec, scores, state);
    int keys = slot(state) + spec.tokensPerSequence();
    for (int r = 0; r < spec.rows(); r++) {
      float[] result = new float[out.columns()];
      for (int head = 0; head < spec.nHeads(); head++) {
        float[] s = row(scores, r * spec.nHeads() + head);
        double[] p = new double[keys];
        for (int j = 0; j < keys; j++) {
          p[j] = s[j];
        }
        weightedValues(spec, p, vCache, r, head, result);
      }
      setRow(out, r, result);
    }
  }

  @Override
  public void activation(Activation activation, boolean gated, Tensor x, Tensor out) {
    OpShapes.activation(gated, x, out);
    for (int r = 0; r < x.rows(); r++) {
      float[] in = row(x, r);
      float[] y = new float[out.columns()];
      for (int i = 0; i < y.length; i++) {
        double a = apply(activation, in[i]);
        y[i] = (float) (gated ? a * in[y.length + i] : a);
      }
      setRow(out, r, y);
    }
  }

  /** The closed form of an activation function in fp64. */
  static double apply(Activation activation, double x) {
    return switch (activation) {
      case SILU -> x / (1 + Math.exp(-x));
      case GELU_TANH ->
          0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
      case GELU_ERF -> 0.5 * x * (1 + Erf.erf(x / Math.sqrt(2)));
      case RELU -> Math.max(0, x);
      case SIGMOID -> 1 / (1 + Math.exp(-x));
      case TANH -> Math.tanh(x);
      case HARDSWISH -> x * Math.min(Math.max(x + 3, 0), 6) / 6;
    };
  }

  @Override
  public void add(Tensor x, Tensor delta) {
    OpShapes.same("delta", delta, x);
    for (int r = 0; r < x.rows(); r++) {
      float[] a = row(x, r);
      float[] b = row(delta, r);
      for (int i = 0; i < a.length; i++) {
        a[i] += b[i];
      }
      setRow(x, r, a);
    }
  }

  @Override
  public void sample(
      SamplingSpec spec,
      Tensor logits,
      @Nullable Tensor uniforms,
      StepState state,
      Tensor tokens,
      Tensor history) {
    OpShapes.sample(spec, logits, uniforms, state, tokens, history);
    int draw = intAt(state.counters(), 0, StepState.DRAW);
    for (int b = 0; b < state.batch(); b++) {
      double uniform = uniforms == null || spec.isGreedy() ? 0 : row(uniforms, draw)[b];
      int id = ReferenceSampler.sample(spec, row(logits, b), uniform);
      setInt(tokens, 0, b, id);
      setInt(history, draw, b, id);
    }
  }

  @Override
  public void advance(StepState state, int tokens, int draws) {
    Tensor c = state.counters();
    setInt(c, 0, StepState.SLOT, intAt(c, 0, StepState.SLOT) + tokens);
    setInt(c, 0, StepState.DRAW, intAt(c, 0, StepState.DRAW) + draws);
  }
}
