package assay.train;

import assay.backend.AdamW;
import assay.backend.TrainingOps;
import assay.backend.TrainingShape;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.tensor.MemoryCategory;
import assay.train.Parameters.Parameter;
import java.util.List;
import java.util.function.BiConsumer;

/**
 * Forward, backward and update of a llama-shaped model on one device: everything allocated once at
 * {@link #open}, then any number of {@link #gradients} and {@link #update}.
 *
 * <p>Residual blocks (pre-norm): x += Wo·attention(rope(Wq·n₁), rope(Wk·n₁), Wv·n₁) with n₁ =
 * norm(x); x += Wdown·(silu(Wgate·n₂) ⊙ Wup·n₂) with n₂ = norm(x). Loss: the mean cross-entropy of
 * the next token over all positions that have a target.
 *
 * @param <T> the device's matrices
 */
public final class TrainingStep<T> implements AutoCloseable {
  private final CountingOps<T> ops;
  private final ModelConfig config;
  private final TrainingOptions options;
  private final TrainingShape shape;
  private final Ledger ledger;
  private final Parameters<T> parameters;
  private final Activations<T> activations;
  private final Activations.Workspace<T> w;

  private TrainingStep(TrainingOps<T> ops, ModelConfig c, TrainingOptions o, Ledger ledger) {
    this.ops = new CountingOps<>(ops);
    this.config = c;
    this.options = o;
    this.shape = TrainingShape.of(c, o.batch(), o.tokens());
    this.ledger = ledger;
    Allocator<T> allocator = new Allocator<>(ops, ledger);
    parameters = new Parameters<>(allocator, c);
    activations = new Activations<>(allocator, c, o);
    w = activations.workspace();
    int scratchBytes = Math.toIntExact(ops.scratchBytes(shape));
    if (scratchBytes > 0) {
      ops.useScratch(
          shape,
          allocator.allocate(
              MemoryCategory.WORKSPACE, "scratch of the operations", DType.U8, 1, scratchBytes));
    }
    ops.write(w.rotary(), assay.engine.RotaryTable.of(c, o.tokens()));
  }

  /**
   * Plans, reserves and allocates; closing the step closes {@code ops}.
   *
   * @throws assay.model.UserError when the architecture is another, or the memory too small
   */
  public static <T> TrainingStep<T> open(TrainingOps<T> ops, ModelConfig c, TrainingOptions o) {
    Ledger plan = plan(ops, c, o);
    ops.reserve(plan.reservedBytes());
    return new TrainingStep<>(ops, c, o, new Ledger());
  }

  /** What such a step takes of a device, by running the same allocations without memory. */
  public static Ledger plan(TrainingOps<?> device, ModelConfig c, TrainingOptions o) {
    o.check(c);
    return new TrainingStep<>(new ShapeOps(device::scratchBytes), c, o, new Ledger()).ledger;
  }

  /** FLOPs of one step, counted by running the same operations on shapes alone. */
  public static FlopCount planFlops(ModelConfig c, TrainingOptions o) {
    o.check(c);
    try (TrainingStep<ShapeOps.Shape> step =
        new TrainingStep<>(new ShapeOps(s -> 0), c, o, new Ledger())) {
      int[] ids = new int[o.rows()];
      step.gradients(ids, ids);
      step.update(new AdamW(1, 0.9f, 0.95f, 1e-8f, 0, 1), 1);
      return step.flops();
    }
  }

  /** The model's shape. */
  public ModelConfig config() {
    return config;
  }

  /** What the step was made for. */
  public TrainingOptions options() {
    return options;
  }

  /** What runs. */
  public String description() {
    return ops.description();
  }

  /** Every tensor that was allocated. */
  public Ledger ledger() {
    return ledger;
  }

  /** FLOPs since the last {@link #resetFlops}. */
  public FlopCount flops() {
    return ops.count().copy();
  }

  /** Counts from zero again. */
  public void resetFlops() {
    ops.count().clear();
  }

  /** Waits for everything enqueued. */
  public void await() {
    ops.await();
  }

  /** Weight tensors in the order of {@link assay.model.WeightLayout}. */
  public List<TensorSpec> specs() {
    return parameters.all().stream().map(Parameter::spec).toList();
  }

  /** Which of a parameter's four matrices. */
  public enum Part {
    WEIGHT,
    GRADIENT,
    MOMENTUM,
    VARIANCE
  }

  /** Reads one matrix of a parameter, row-major. */
  public float[] read(TensorSpec spec, Part part) {
    float[] out = new float[Math.toIntExact(spec.elements())];
    ops.read(matrix(spec, part), out);
    return out;
  }

  /** Writes one matrix of a parameter, row-major. */
  public void write(TensorSpec spec, Part part, float[] values) {
    ops.write(matrix(spec, part), values);
  }

  private T matrix(TensorSpec spec, Part part) {
    for (Parameter<T> p : parameters.all()) {
      if (p.spec().equals(spec)) {
        return matrix(p, part);
      }
    }
    throw new IllegalArgumentException("not a tensor of this model: " + spec);
  }

  private static <T> T matrix(Parameter<T> p, Part part) {
    return switch (part) {
      case WEIGHT -> p.weight();
      case GRADIENT -> p.gradient();
      case MOMENTUM -> p.momentum();
      case VARIANCE -> p.variance();
    };
  }

  /** For callers that need a parameter's matrices themselves (tests in double precision). */
  void forEachParameter(BiConsumer<TensorSpec, Parameter<T>> action) {
    parameters.all().forEach(p -> action.accept(p.spec(), p));
  }

  // ---- the step

  /**
   * Forward and backward: gradients of the mean loss, replacing those of before.
   *
   * @param ids inputs, [batch · tokens], sequence after sequence
   * @param targets the id that should follow each; negative for none
   * @return the mean loss in nats per target
   */
  public double gradients(int[] ids, int[] targets) {
    int counted = counted(targets);
    parameters.all().forEach(p -> ops.zero(p.gradient()));
    blocksForward(ids, targets);
    ops.zero(w.dResidual());
    head(1f / counted, true);
    for (int l = config.nLayers() - 1; l >= 0; l--) {
      if (options.recomputation() == Recomputation.FULL) {
        ops.phase(Phase.RECOMPUTATION);
        blockForward(l);
      }
      ops.phase(Phase.BACKWARD);
      mlpBackward(l);
      attentionBackward(l);
    }
    ops.embedBackward(w.ids(), w.dResidual(), parameters.embedding().gradient());
    ops.phase(Phase.FORWARD);
    return ops.sum(w.losses()) / counted;
  }

  /** The mean loss alone; the gradients stay as they are. */
  public double loss(int[] ids, int[] targets) {
    blocksForward(ids, targets);
    head(0, false);
    return ops.sum(w.losses()) / counted(targets);
  }

  private static int counted(int[] targets) {
    int n = 0;
    for (int t : targets) {
      n += t >= 0 ? 1 : 0;
    }
    return Math.max(1, n);
  }

  private void blocksForward(int[] ids, int[] targets) {
    ops.phase(Phase.FORWARD);
    ops.writeIds(w.ids(), ids);
    ops.writeIds(w.targets(), targets);
    ops.embed(w.ids(), parameters.embedding().weight(), activations.residual(0));
    for (int l = 0; l < config.nLayers(); l++) {
      blockForward(l);
      Activations.Block<T> a = activations.block(l);
      T next = activations.residual(l + 1);
      ops.copy(a.middle(), next);
      ops.matmul(a.activated(), parameters.layers().get(l).down().weight(), next, true);
    }
  }

  /** Everything in a block that its backward pass reads; not the product with Wdown. */
  private void blockForward(int l) {
    Parameters.Layer<T> p = parameters.layers().get(l);
    Activations.Block<T> a = activations.block(l);
    T x = activations.residual(l);
    float eps = config.normEps();
    ops.rmsNorm(x, p.attentionNorm().weight(), eps, a.attentionNormed(), a.attentionInverse());
    ops.matmul(a.attentionNormed(), p.q().weight(), a.q(), false);
    ops.matmul(a.attentionNormed(), p.k().weight(), a.k(), false);
    ops.matmul(a.attentionNormed(), p.v().weight(), a.v(), false);
    ops.rope(a.q(), config.headDim(), w.rotary(), false);
    ops.rope(a.k(), config.headDim(), w.rotary(), false);
    ops.attention(shape, a.q(), a.k(), a.v(), a.attention(), a.logSumExp(), a.probabilities());
    ops.copy(x, a.middle());
    ops.matmul(a.attention(), p.o().weight(), a.middle(), true);
    ops.rmsNorm(a.middle(), p.mlpNorm().weight(), eps, a.mlpNormed(), a.mlpInverse());
    ops.matmul(a.mlpNormed(), p.gate().weight(), a.gate(), false);
    ops.matmul(a.mlpNormed(), p.up().weight(), a.up(), false);
    ops.swiGlu(a.gate(), a.up(), a.activated());
  }

  /** Final norm, logits and loss, then their gradients, a chunk of rows at a time. */
  private void head(float scale, boolean backward) {
    T x = activations.residual(config.nLayers());
    for (int first = 0; first < options.rows(); first += options.logitRows()) {
      int count = Math.min(options.logitRows(), options.rows() - first);
      T xRows = ops.rows(x, first, count);
      T normed = ops.rows(w.normed(), 0, count);
      T inverse = ops.rows(w.inverse(), 0, count);
      T logits = ops.rows(w.logits(), 0, count);
      T targets = ops.rows(w.targets(), first, count);
      ops.phase(Phase.FORWARD);
      T gain = parameters.finalNorm().weight();
      ops.rmsNorm(xRows, gain, config.normEps(), normed, inverse);
      ops.matmul(normed, parameters.head().weight(), logits, false);
      ops.crossEntropy(logits, targets, scale, ops.rows(w.losses(), first, count));
      if (backward) {
        T dRows = ops.rows(w.dResidual(), first, count);
        headBackward(logits, normed, inverse, xRows, dRows, ops.rows(w.dNormed(), 0, count));
      }
    }
  }

  private void headBackward(T dLogits, T normed, T inverse, T x, T dx, T dNormed) {
    ops.phase(Phase.BACKWARD);
    Parameter<T> head = parameters.head();
    Parameter<T> norm = parameters.finalNorm();
    ops.matmulBackwardInput(dLogits, head.weight(), dNormed, false);
    ops.matmulBackwardWeight(dLogits, normed, head.gradient());
    ops.rmsNormBackward(dNormed, x, norm.weight(), inverse, dx, norm.gradient());
  }

  private void mlpBackward(int l) {
    Parameters.Layer<T> p = parameters.layers().get(l);
    Activations.Block<T> a = activations.block(l);
    T d = w.dResidual();
    ops.matmulBackwardInput(d, p.down().weight(), w.dWide(), false);
    ops.matmulBackwardWeight(d, a.activated(), p.down().gradient());
    ops.swiGluBackward(a.gate(), a.up(), w.dWide(), w.dWideToo(), w.dWide());
    ops.matmulBackwardInput(w.dWideToo(), p.gate().weight(), w.dNormed(), false);
    ops.matmulBackwardInput(w.dWide(), p.up().weight(), w.dNormed(), true);
    ops.matmulBackwardWeight(w.dWideToo(), a.mlpNormed(), p.gate().gradient());
    ops.matmulBackwardWeight(w.dWide(), a.mlpNormed(), p.up().gradient());
    ops.rmsNormBackward(
        w.dNormed(), a.middle(), p.mlpNorm().weight(), a.mlpInverse(), d, p.mlpNorm().gradient());
  }

  private void attentionBackward(int l) {
    Parameters.Layer<T> p = parameters.layers().get(l);
    Activations.Block<T> a = activations.block(l);
    T d = w.dResidual();
    ops.matmulBackwardInput(d, p.o().weight(), w.dAttention(), false);
    ops.matmulBackwardWeight(d, a.attention(), p.o().gradient());
    ops.attentionBackward(
        shape,
        a.q(),
        a.k(),
        a.v(),
        a.attention(),
        a.logSumExp(),
        a.probabilities(),
        w.dAttention(),
        w.dq(),
        w.dk(),
        w.dv());
    ops.rope(w.dq(), config.headDim(), w.rotary(), true);
    ops.rope(w.dk(), config.headDim(), w.rotary(), true);
    ops.matmulBackwardInput(w.dq(), p.q().weight(), w.dNormed(), false);
    ops.matmulBackwardInput(w.dk(), p.k().weight(), w.dNormed(), true);
    ops.matmulBackwardInput(w.dv(), p.v().weight(), w.dNormed(), true);
    ops.matmulBackwardWeight(w.dq(), a.attentionNormed(), p.q().gradient());
    ops.matmulBackwardWeight(w.dk(), a.attentionNormed(), p.k().gradient());
    ops.matmulBackwardWeight(w.dv(), a.attentionNormed(), p.v().gradient());
    ops.rmsNormBackward(
        w.dNormed(),
        activations.residual(l),
        p.attentionNorm().weight(),
        a.attentionInverse(),
        d,
        p.attentionNorm().gradient());
  }

  /**
   * Updates all weights with the gradients of {@link #gradients}, scaled down together where their
   * norm exceeds {@code maxNorm} (Pascanu et al. 2013). Vectors do not decay.
   *
   * @return the norm of all gradients before scaling
   */
  public double update(AdamW settings, double maxNorm) {
    ops.phase(Phase.UPDATE);
    double squares = 0;
    for (Parameter<T> p : parameters.all()) {
      squares += ops.sumOfSquares(p.gradient());
    }
    double norm = Math.sqrt(squares);
    float scale = norm > maxNorm ? (float) (maxNorm / norm) : 1;
    for (Parameter<T> p : parameters.all()) {
      AdamW s = p.spec().role().isMatrix() ? settings : settings.withoutDecay();
      ops.adamW(s, scale, p.weight(), null, p.gradient(), p.momentum(), p.variance());
    }
    ops.phase(Phase.FORWARD);
    return norm;
  }

  @Override
  public void close() {
    ops.close();
  }
}
