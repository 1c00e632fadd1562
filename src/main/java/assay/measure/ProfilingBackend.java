package assay.measure;

import assay.backend.AttentionSpec;
import assay.backend.Backend;
import assay.backend.Mark;
import assay.backend.Recording;
import assay.backend.SamplingSpec;
import assay.backend.StepState;
import assay.model.Activation;
import assay.model.NormKind;
import assay.model.OpKind;
import assay.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * Times each operation by itself: a mark before, a mark after, a wait. What overlaps or is launched
 * ahead in a real pass does not here, so the sum is more than a pass takes; the shares are what it
 * is for. Off, it only hands on.
 */
final class ProfilingBackend extends ForwardingBackend {
  private final SequencedMap<OpLabel, Double> seconds = new LinkedHashMap<>();
  private final Mark before;
  private final Mark after;
  private boolean profiling;

  ProfilingBackend(Backend inner) {
    super(inner);
    before = inner.newMark();
    after = inner.newMark();
  }

  /** Times from nothing on. */
  void start() {
    seconds.clear();
    profiling = true;
  }

  /** Ends it and returns the seconds by label, in the order of first use. */
  SequencedMap<OpLabel, Double> stop() {
    profiling = false;
    return new LinkedHashMap<>(seconds);
  }

  private void begin() {
    if (profiling) {
      before.record();
    }
  }

  private void end(OpKind kind, String shape) {
    after.record();
    inner().await();
    seconds.merge(new OpLabel(kind, shape), after.secondsSince(before), Double::sum);
  }

  @Override
  public Recording record(Runnable body) {
    if (profiling) {
      throw new IllegalStateException("a recording cannot be timed operation by operation");
    }
    return super.record(body);
  }

  @Override
  public void embed(
      Tensor tokens, Tensor table, @Nullable Tensor positionTable, StepState state, Tensor out) {
    begin();
    super.embed(tokens, table, positionTable, state, out);
    if (profiling) {
      end(OpKind.EMBED, Labels.width(out));
    }
  }

  @Override
  public void norm(
      NormKind kind, Tensor x, Tensor gain, @Nullable Tensor bias, float eps, Tensor out) {
    begin();
    super.norm(kind, x, gain, bias, eps, out);
    if (profiling) {
      end(OpKind.NORM, Labels.width(x));
    }
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
    begin();
    super.addNorm(x, delta, kind, gain, bias, eps, out);
    if (profiling) {
      end(OpKind.NORM, Labels.addedWidth(x));
    }
  }

  @Override
  public void headNorm(Tensor x, Tensor gain, float eps) {
    begin();
    super.headNorm(x, gain, eps);
    if (profiling) {
      end(OpKind.NORM, Labels.headWidth(x, gain));
    }
  }

  @Override
  public void matmul(Tensor x, Tensor weight, Tensor out, boolean accumulate) {
    begin();
    super.matmul(x, weight, out, accumulate);
    if (profiling) {
      end(OpKind.MATMUL, Labels.matmul(weight));
    }
  }

  @Override
  public void bias(Tensor x, Tensor bias) {
    begin();
    super.bias(x, bias);
    if (profiling) {
      end(OpKind.BIAS, Labels.width(x));
    }
  }

  @Override
  public void rope(Tensor x, int headDim, Tensor table, StepState state) {
    begin();
    super.rope(x, headDim, table, state);
    if (profiling) {
      end(OpKind.ROPE, Labels.width(x));
    }
  }

  @Override
  public void storeKv(
      AttentionSpec spec, Tensor k, Tensor v, StepState state, Tensor kCache, Tensor vCache) {
    begin();
    super.storeKv(spec, k, v, state, kCache, vCache);
    if (profiling) {
      end(OpKind.STORE_KV, Labels.width(k));
    }
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
    begin();
    super.attention(spec, q, kCache, vCache, state, mask, out);
    if (profiling) {
      end(OpKind.ATTENTION, Labels.attention(spec));
    }
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
    begin();
    super.storedAttention(spec, q, kCache, vCache, state, mask, scores, out);
    if (profiling) {
      end(OpKind.ATTENTION, Labels.attention(spec));
    }
  }

  @Override
  public void activation(Activation activation, boolean gated, Tensor x, Tensor out) {
    begin();
    super.activation(activation, gated, x, out);
    if (profiling) {
      end(OpKind.ACTIVATION, Labels.width(out));
    }
  }

  @Override
  public void add(Tensor x, Tensor delta) {
    begin();
    super.add(x, delta);
    if (profiling) {
      end(OpKind.ADD, Labels.width(x));
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
    begin();
    super.sample(spec, logits, uniforms, state, tokens, history);
    if (profiling) {
      end(OpKind.SAMPLE, Labels.width(logits));
    }
  }

  @Override
  public void advance(StepState state, int tokens, int draws) {
    begin();
    super.advance(state, tokens, draws);
    if (profiling) {
      end(OpKind.ADVANCE, "");
    }
  }

  /** Frees the marks. */
  @Override
  public void close() {
    before.close();
    after.close();
  }
}
