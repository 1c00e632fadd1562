package assay.train;

import assay.backend.AdamW;
import assay.backend.Sgd;
import assay.backend.TrainingOps;
import assay.backend.TrainingShape;
import assay.backend.UpdateRule;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.model.UserError;
import assay.tensor.MemoryCategory;
import assay.train.Parameters.Linear;
import assay.train.Parameters.Parameter;
import assay.train.Parameters.Trained;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Forward, backward and update of a llama-shaped model on one device: everything allocated once at
 * {@link #open}, then any number of {@link #gradients} and {@link #update}.
 *
 * <p>Residual blocks (pre-norm): x += Wo·attention(rope(Wq·n₁), rope(Wk·n₁), Wv·n₁) with n₁ =
 * norm(x); x += Wdown·(silu(Wgate·n₂) ⊙ Wup·n₂) with n₂ = norm(x). Loss: the mean cross-entropy of
 * the next token over all positions that have a target.
 *
 * <p>With adapters every product x·Wᵀ of an adapted matrix becomes x·Wᵀ + (scale·x·Aᵀ)·Bᵀ, and only
 * A and B have gradients.
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
    this.shape = TrainingShape.of(c, o.batch(), o.tokens()).withWidened(WidenedElements.of(c, o));
    this.ledger = ledger;
    Allocator<T> allocator = new Allocator<>(ops, ledger);
    parameters = new Parameters<>(allocator, c, o);
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
    requireTypes(ops, o.types());
    Ledger plan = plan(ops, c, o);
    ops.reserve(plan.reservedBytes());
    return new TrainingStep<>(ops, c, o, new Ledger());
  }

  private static void requireTypes(TrainingOps<?> ops, StepTypes t) {
    if (!ops.supports(MemoryCategory.WEIGHTS, t.weights())
        || !ops.supports(MemoryCategory.WEIGHTS, t.frozen())
        || !ops.supports(MemoryCategory.GRADIENTS, t.gradients())
        || !ops.supports(MemoryCategory.ACTIVATIONS, t.activations())) {
      throw new UserError("training in %s: not on this device: %s".formatted(t, ops.description()));
    }
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
      step.update(TrainerSettings.of(1, 1, 1).rule(o.optimizer(), 1), 1);
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

  /** The model's own tensors in the order of {@link assay.model.WeightLayout}. */
  public List<TensorSpec> specs() {
    return parameters.base().stream().map(Parameter::spec).toList();
  }

  /** A [rank, in] and B [out, rank] of each adapted matrix in turn. */
  public List<TensorSpec> adapterSpecs() {
    return parameters.adapters().stream().map(Parameter::spec).toList();
  }

  /** The matrices that a parameter may have. */
  public enum Part {
    WEIGHT,
    GRADIENT,
    /** First moment, or SGD's velocity. */
    MOMENTUM,
    VARIANCE,
    /** The fp32 copy of a weight of fewer bits. */
    MASTER
  }

  /** Which of them this one has. */
  public Set<Part> parts(TensorSpec spec) {
    Set<Part> out = EnumSet.noneOf(Part.class);
    for (Part part : Part.values()) {
      if (matrix(parameter(spec), part) != null) {
        out.add(part);
      }
    }
    return out;
  }

  /** The name of a parameter: unique in the model, adapters included. */
  public String name(TensorSpec spec) {
    return parameter(spec).name();
  }

  /** Reads one matrix of a parameter, row-major. */
  public float[] read(TensorSpec spec, Part part) {
    float[] out = new float[Math.toIntExact(spec.elements())];
    ops.read(there(spec, part), out);
    return out;
  }

  /** Writes one matrix of a parameter, row-major; a weight into its master copy too. */
  public void write(TensorSpec spec, Part part, float[] values) {
    ops.write(there(spec, part), values);
    T master = matrix(parameter(spec), Part.MASTER);
    if (part == Part.WEIGHT && master != null) {
      ops.write(master, values);
    }
  }

  private T there(TensorSpec spec, Part part) {
    T found = matrix(parameter(spec), part);
    if (found == null) {
      throw new IllegalArgumentException("%s has no %s".formatted(spec, part));
    }
    return found;
  }

  private Parameter<T> parameter(TensorSpec spec) {
    return Stream.concat(parameters.base().stream(), parameters.adapters().stream())
        .filter(p -> p.spec().equals(spec))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("not a tensor of this model: " + spec));
  }

  private static <T> @Nullable T matrix(Parameter<T> p, Part part) {
    Trained<T> t = p.trained();
    if (part == Part.WEIGHT || t == null) {
      return part == Part.WEIGHT ? p.weight() : null;
    }
    return switch (part) {
      case WEIGHT -> p.weight();
      case GRADIENT -> t.gradient();
      case MOMENTUM -> t.momentum();
      case VARIANCE -> t.variance();
      case MASTER -> t.master();
    };
  }

  /** For callers that need a parameter's matrices themselves (tests in double precision). */
  void forEachTrained(BiConsumer<TensorSpec, Parameter<T>> action) {
    new ArrayList<>(parameters.trained()).forEach(p -> action.accept(p.spec(), p));
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
    parameters.trained().forEach(p -> ops.zero(p.gradient()));
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
    if (parameters.embedding().trained() != null) {
      ops.embedBackward(w.ids(), w.dResidual(), parameters.embedding().gradient());
    }
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
      Linear<T> down = parameters.layers().get(l).down();
      ops.matmul(a.activated(), down.base().weight(), next, true);
      addAdapter(down, a, next);
    }
  }

  /** Everything in a block that its backward pass reads; not the product with Wdown. */
  private void blockForward(int l) {
    Parameters.Layer<T> p = parameters.layers().get(l);
    Activations.Block<T> a = activations.block(l);
    T x = activations.residual(l);
    float eps = config.normEps();
    ops.rmsNorm(x, p.attentionNorm().weight(), eps, a.attentionNormed(), a.attentionInverse());
    linear(a.attentionNormed(), p.q(), a, a.q(), false);
    linear(a.attentionNormed(), p.k(), a, a.k(), false);
    linear(a.attentionNormed(), p.v(), a, a.v(), false);
    ops.rope(a.q(), config.headDim(), w.rotary(), false);
    ops.rope(a.k(), config.headDim(), w.rotary(), false);
    ops.attention(shape, a.q(), a.k(), a.v(), a.attention(), a.logSumExp(), a.probabilities());
    ops.copy(x, a.middle());
    linear(a.attention(), p.o(), a, a.middle(), true);
    ops.rmsNorm(a.middle(), p.mlpNorm().weight(), eps, a.mlpNormed(), a.mlpInverse());
    linear(a.mlpNormed(), p.gate(), a, a.gate(), false);
    linear(a.mlpNormed(), p.up(), a, a.up(), false);
    ops.swiGlu(a.gate(), a.up(), a.activated());
    reduce(a.activated(), p.down(), a);
  }

  /** out (+)= x·Wᵀ with what an adapter adds. */
  private void linear(T x, Linear<T> p, Activations.Block<T> a, T out, boolean accumulate) {
    ops.matmul(x, p.base().weight(), out, accumulate);
    reduce(x, p, a);
    addAdapter(p, a, out);
  }

  /** scale·x·Aᵀ, kept for the backward pass. */
  private void reduce(T x, Linear<T> p, Activations.Block<T> a) {
    Parameter<T> down = p.a();
    if (down != null) {
      T low = low(p, a);
      ops.matmul(x, down.weight(), low, false);
      ops.scale(low, adapterScale());
    }
  }

  private void addAdapter(Linear<T> p, Activations.Block<T> a, T out) {
    Parameter<T> up = p.b();
    if (up != null) {
      ops.matmul(low(p, a), up.weight(), out, true);
    }
  }

  private T low(Linear<T> p, Activations.Block<T> a) {
    T low = a.low().get(p.base().spec().role());
    if (low == null) {
      throw new IllegalStateException("no room for an adapter of " + p.base().spec());
    }
    return low;
  }

  private float adapterScale() {
    Adapters adapters = options.adapters();
    if (adapters == null) {
      throw new IllegalStateException("no adapters");
    }
    return adapters.scale();
  }

  /** dx (+)= the gradient of {@link #linear} by x; gradients of what is trained. */
  private void linearBackward(
      T dOut, T x, Linear<T> p, Activations.Block<T> a, T dx, boolean accumulate) {
    ops.matmulBackwardInput(dOut, p.base().weight(), dx, accumulate);
    if (p.base().trained() != null) {
      ops.matmulBackwardWeight(dOut, x, p.base().gradient());
    }
    Parameter<T> down = p.a();
    Parameter<T> up = p.b();
    T dLow = w.dLow();
    if (down != null && up != null && dLow != null) {
      ops.matmulBackwardWeight(dOut, low(p, a), up.gradient());
      ops.matmulBackwardInput(dOut, up.weight(), dLow, false);
      ops.scale(dLow, adapterScale());
      ops.matmulBackwardWeight(dLow, x, down.gradient());
      ops.matmulBackwardInput(dLow, down.weight(), dx, true);
    }
  }

  private static <T> @Nullable T gradientOf(Parameter<T> p) {
    Trained<T> t = p.trained();
    return t == null ? null : t.gradient();
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
    if (head.trained() != null) {
      ops.matmulBackwardWeight(dLogits, normed, head.gradient());
    }
    ops.rmsNormBackward(dNormed, x, norm.weight(), inverse, dx, gradientOf(norm));
  }

  private void mlpBackward(int l) {
    Parameters.Layer<T> p = parameters.layers().get(l);
    Activations.Block<T> a = activations.block(l);
    T d = w.dResidual();
    linearBackward(d, a.activated(), p.down(), a, w.dWide(), false);
    ops.swiGluBackward(a.gate(), a.up(), w.dWide(), w.dWideToo(), w.dWide());
    linearBackward(w.dWideToo(), a.mlpNormed(), p.gate(), a, w.dNormed(), false);
    linearBackward(w.dWide(), a.mlpNormed(), p.up(), a, w.dNormed(), true);
    ops.rmsNormBackward(
        w.dNormed(), a.middle(), p.mlpNorm().weight(), a.mlpInverse(), d, gradientOf(p.mlpNorm()));
  }

  private void attentionBackward(int l) {
    Parameters.Layer<T> p = parameters.layers().get(l);
    Activations.Block<T> a = activations.block(l);
    T d = w.dResidual();
    if (a.probabilities() != null && options.recomputation() == Recomputation.SELECTIVE) {
      ops.phase(Phase.RECOMPUTATION);
      ops.attention(shape, a.q(), a.k(), a.v(), a.attention(), a.logSumExp(), a.probabilities());
      ops.phase(Phase.BACKWARD);
    }
    linearBackward(d, a.attention(), p.o(), a, w.dAttention(), false);
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
    linearBackward(w.dq(), a.attentionNormed(), p.q(), a, w.dNormed(), false);
    linearBackward(w.dk(), a.attentionNormed(), p.k(), a, w.dNormed(), true);
    linearBackward(w.dv(), a.attentionNormed(), p.v(), a, w.dNormed(), true);
    ops.rmsNormBackward(
        w.dNormed(),
        activations.residual(l),
        p.attentionNorm().weight(),
        a.attentionInverse(),
        d,
        gradientOf(p.attentionNorm()));
  }

  /**
   * Updates all weights with the gradients of {@link #gradients}, scaled down together where their
   * norm exceeds {@code maxNorm} (Pascanu et al. 2013). Vectors do not decay.
   *
   * @return the norm of all gradients before scaling
   */
  public double update(UpdateRule rule, double maxNorm) {
    ops.phase(Phase.UPDATE);
    double squares = 0;
    for (Parameter<T> p : parameters.trained()) {
      squares += ops.sumOfSquares(p.gradient());
    }
    double norm = Math.sqrt(squares);
    float scale = norm > maxNorm ? (float) (maxNorm / norm) : 1;
    for (Parameter<T> p : parameters.trained()) {
      update(p, p.spec().role().isMatrix() ? rule : rule.withoutDecay(), scale);
    }
    ops.phase(Phase.FORWARD);
    return norm;
  }

  private void update(Parameter<T> p, UpdateRule rule, float scale) {
    Trained<T> t = p.state();
    switch (rule) {
      case AdamW adam -> {
        T momentum = t.momentum();
        T variance = t.variance();
        if (momentum == null || variance == null) {
          throw new IllegalArgumentException("Adam on a step made for " + options.optimizer());
        }
        ops.adamW(adam, scale, p.weight(), t.master(), t.gradient(), momentum, variance);
      }
      case Sgd sgd -> ops.sgd(sgd, scale, p.weight(), t.master(), t.gradient(), t.momentum());
    }
  }

  @Override
  public void close() {
    ops.close();
  }
}
