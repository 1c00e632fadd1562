package assay.engine;

import assay.backend.AttentionSpec;
import assay.backend.Backend;
import assay.backend.StepState;
import assay.model.ModelConfig;
import assay.model.NormKind;
import assay.model.PositionKind;
import assay.model.WeightRole;
import assay.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The forward pass over {@code tokensPerSequence} tokens of each sequence, as one straight story.
 * All views are made here, once per length of pass, so that enqueueing allocates nothing.
 */
final class ForwardPass {
  private final Backend backend;
  private final ModelConfig config;
  private final Weights weights;
  private final SessionTensors.KvCache cache;
  private final SessionTensors.Control control;
  private final AttentionPath path;
  private final int tokensPerSequence;
  private final StepState state;
  private final Tensor residual;
  private final Tensor normed;
  private final Tensor qkv;
  private final Tensor q;
  private final Tensor k;
  private final Tensor v;
  private final Tensor attention;
  private final Tensor up;
  private final Tensor activated;
  private final Tensor delta;
  private final @Nullable Tensor scores;
  private final Tensor lastResidual;
  private final Tensor lastNormed;
  private final Tensor lastLogits;
  private final SessionTensors.Activations activations;
  private final List<LayerViews> layers = new ArrayList<>();

  private record LayerViews(
      AttentionSpec spec,
      Linear.Views qkv,
      Linear.Views output,
      Linear.Views up,
      Linear.Views down) {}

  ForwardPass(
      Backend backend,
      ModelConfig config,
      SessionOptions options,
      Weights weights,
      SessionTensors.KvCache cache,
      SessionTensors.Activations a,
      SessionTensors.Control control,
      int tokensPerSequence) {
    this.backend = backend;
    this.config = config;
    this.weights = weights;
    this.cache = cache;
    this.control = control;
    this.path = options.attention();
    this.tokensPerSequence = tokensPerSequence;
    this.state = control.state;
    this.activations = a;
    int batch = options.batch();
    int n = batch * tokensPerSequence;
    residual = a.residual.rows(0, n);
    normed = a.normed.rows(0, n);
    qkv = a.qkv.rows(0, n);
    q = qkv.columns(0, config.qDim());
    k = qkv.columns(config.qDim(), config.kvDim());
    v = qkv.columns(config.qDim() + config.kvDim(), config.kvDim());
    attention = a.attention.rows(0, n);
    up = a.up.rows(0, n);
    activated = a.activated.rows(0, n);
    delta = a.delta.rows(0, n);
    scores = a.scores == null ? null : a.scores.rows(0, n * config.nHeads());
    lastResidual = residual.everyRow(tokensPerSequence - 1, tokensPerSequence, batch);
    lastNormed = a.lastNormed.rows(0, batch);
    lastLogits = a.logits.rows(0, batch);
    Tensor low = a.low == null ? null : a.low.rows(0, n);
    for (int l = 0; l < config.nLayers(); l++) {
      Weights.Layer w = weights.layers().get(l);
      layers.add(
          new LayerViews(
              AttentionSpec.of(
                  config, l, batch, tokensPerSequence, options.causal(), options.maxSeqLen()),
              w.qkv().views(qkv, low),
              w.output().views(delta, low),
              w.up().views(up, low),
              w.down().views(delta, low)));
    }
  }

  int tokensPerSequence() {
    return tokensPerSequence;
  }

  /** Logits of each sequence's last token, [batch, vocabulary]. */
  Tensor lastLogits() {
    return lastLogits;
  }

  /** Everything up to the residual stream after the last block. */
  void enqueueBlocks(Tensor tokens, @Nullable PassObserver observer) {
    backend.embed(tokens, weights.embedding(), weights.positionEmbedding(), state, residual);
    Weights.Layer first = weights.layers().getFirst();
    norm(residual, first.attentionNorm(), first.attentionNormBias(), normed);
    if (observer != null) {
      observer.residual(-1, residual);
    }
    for (int l = 0; l < layers.size(); l++) {
      enqueueBlock(l, observer);
      if (observer != null) {
        observer.residual(l, residual);
      }
    }
  }

  private void enqueueBlock(int l, @Nullable PassObserver observer) {
    Weights.Layer w = weights.layers().get(l);
    LayerViews views = layers.get(l);
    observe(observer, l, WeightRole.Q, normed);
    w.qkv().enqueue(backend, normed, views.qkv);
    enqueueAttention(l, w, views.spec);
    observe(observer, l, WeightRole.O, attention);
    w.output().enqueue(backend, attention, views.output);
    addNorm(w.mlpNorm(), w.mlpNormBias());
    observe(observer, l, config.gatedMlp() ? WeightRole.GATE : WeightRole.UP, normed);
    w.up().enqueue(backend, normed, views.up);
    backend.activation(config.activation(), config.gatedMlp(), up, activated);
    observe(observer, l, WeightRole.DOWN, activated);
    w.down().enqueue(backend, activated, views.down);
    if (l + 1 < layers.size()) {
      Weights.Layer next = weights.layers().get(l + 1);
      addNorm(next.attentionNorm(), next.attentionNormBias());
    } else {
      backend.add(residual, delta);
    }
  }

  private static void observe(
      @Nullable PassObserver observer, int layer, WeightRole role, Tensor x) {
    if (observer != null) {
      observer.input(layer, role, x);
    }
  }

  private void enqueueAttention(int l, Weights.Layer w, AttentionSpec spec) {
    if (w.qNorm() != null && w.kNorm() != null) {
      backend.headNorm(q, w.qNorm(), config.normEps());
      backend.headNorm(k, w.kNorm(), config.normEps());
    }
    if (config.positions() == PositionKind.ROPE && control.rotary != null) {
      backend.rope(q, config.headDim(), control.rotary, state);
      backend.rope(k, config.headDim(), control.rotary, state);
    }
    Tensor keys = cache.keys.get(l);
    Tensor values = cache.values.get(l);
    backend.storeKv(spec, k, v, state, keys, values);
    if (path == AttentionPath.STORED && scores != null) {
      backend.storedAttention(spec, q, keys, values, state, control.mask, scores, attention);
    } else {
      backend.attention(spec, q, keys, values, state, control.mask, attention);
    }
  }

  private void norm(Tensor x, Tensor gain, @Nullable Tensor bias, Tensor out) {
    backend.norm(config.norm(), x, gain, bias, config.normEps(), out);
  }

  private void addNorm(Tensor gain, @Nullable Tensor bias) {
    NormKind kind = config.norm();
    backend.addNorm(residual, delta, kind, gain, bias, config.normEps(), normed);
  }

  /** Final norm and head for each sequence's last token. */
  void enqueueLastLogits() {
    norm(lastResidual, weights.finalNorm(), weights.finalNormBias(), lastNormed);
    backend.matmul(lastNormed, weights.head(), lastLogits, false);
  }

  /** Final norm and head for every row, as many rows at once as the session has room for. */
  void enqueueAllLogits(PassObserver observer) {
    int capacity = activations.logits.rows();
    for (int first = 0; first < residual.rows(); first += capacity) {
      int count = Math.min(capacity, residual.rows() - first);
      Tensor out = activations.lastNormed.rows(0, count);
      Tensor logits = activations.logits.rows(0, count);
      norm(residual.rows(first, count), weights.finalNorm(), weights.finalNormBias(), out);
      backend.matmul(out, weights.head(), logits, false);
      observer.logits(first, out, logits);
    }
  }
}
