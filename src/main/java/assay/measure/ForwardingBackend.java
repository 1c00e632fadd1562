package assay.measure;

import assay.backend.AttentionSpec;
import assay.backend.Backend;
import assay.backend.BackendInfo;
import assay.backend.DeviceMemory;
import assay.backend.DeviceMonitor;
import assay.backend.InputRounding;
import assay.backend.Mark;
import assay.backend.Recording;
import assay.backend.SamplingSpec;
import assay.backend.SessionShape;
import assay.backend.StepState;
import assay.model.Activation;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.NormKind;
import assay.model.Precision;
import assay.model.RandomStream;
import assay.tensor.Arena;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import assay.tensor.TensorAllocator;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;

/**
 * Hands everything on, fused operations as such: what the inner back end runs is what it would run
 * alone. Closing it does nothing; who made the inner back end closes it.
 */
abstract class ForwardingBackend implements Backend {
  private final Backend inner;

  ForwardingBackend(Backend inner) {
    this.inner = inner;
  }

  final Backend inner() {
    return inner;
  }

  /** What lies under all that forwards, where that can say something of itself. */
  static @Nullable DeviceMonitor monitorOf(Backend backend) {
    Backend b = backend;
    while (b instanceof ForwardingBackend f) {
      b = f.inner;
    }
    return b instanceof DeviceMonitor m ? m : null;
  }

  @Override
  public BackendInfo info() {
    return inner.info();
  }

  @Override
  public boolean supports(Precision precision) {
    return inner.supports(precision);
  }

  @Override
  public String arithmetic(Precision precision, boolean prefill) {
    return inner.arithmetic(precision, prefill);
  }

  @Override
  public String arithmetic(Precision precision, ModelConfig config, int rows) {
    return inner.arithmetic(precision, config, rows);
  }

  @Override
  public Precision multipliesIn(Precision precision, ModelConfig config, int rows) {
    return inner.multipliesIn(precision, config, rows);
  }

  @Override
  public InputRounding inputRounding(Precision precision, boolean prefill) {
    return inner.inputRounding(precision, prefill);
  }

  @Override
  public InputRounding inputRounding(
      Precision precision, ModelConfig config, int rows, Tensor weight) {
    return inner.inputRounding(precision, config, rows, weight);
  }

  @Override
  public DType activationType(Precision precision) {
    return inner.activationType(precision);
  }

  @Override
  public DeviceMemory memory() {
    return inner.memory();
  }

  @Override
  public boolean sharesHostMemory() {
    return inner.sharesHostMemory();
  }

  @Override
  public long liveBytes() {
    return inner.liveBytes();
  }

  @Override
  public Arena newArena(MemoryCategory category, long capacityBytes) {
    return inner.newArena(category, capacityBytes);
  }

  @Override
  public long workspaceBytes(SessionShape shape) {
    return inner.workspaceBytes(shape);
  }

  @Override
  public void reserveWorkspace(SessionShape shape, Arena arena) {
    inner.reserveWorkspace(shape, arena);
  }

  @Override
  public Tensor weight(TensorAllocator arena, DType type, int rows, int columns) {
    return inner.weight(arena, type, rows, columns);
  }

  @Override
  public void writeWeight(Tensor weight, int firstRow, int rowCount, MemorySegment source) {
    inner.writeWeight(weight, firstRow, rowCount, source);
  }

  @Override
  public void readWeight(Tensor weight, int firstRow, int rowCount, MemorySegment target) {
    inner.readWeight(weight, firstRow, rowCount, target);
  }

  @Override
  public void write(Tensor target, MemorySegment source) {
    inner.write(target, source);
  }

  @Override
  public void read(Tensor source, MemorySegment target) {
    inner.read(source, target);
  }

  @Override
  public void zero(Tensor target) {
    inner.zero(target);
  }

  @Override
  public boolean generateWeight(Tensor weight, int firstRow, int rowCount, RandomStream stream) {
    return inner.generateWeight(weight, firstRow, rowCount, stream);
  }

  @Override
  public Optional<String> ownGenerator(RandomStream stream) {
    return inner.ownGenerator(stream);
  }

  @Override
  public OptionalDouble largestGenerated(RandomStream stream, long count) {
    return inner.largestGenerated(stream, count);
  }

  @Override
  public void fillUniform(Tensor out, long seed) {
    inner.fillUniform(out, seed);
  }

  @Override
  public void await() {
    inner.await();
  }

  @Override
  public Recording record(Runnable body) {
    return inner.record(body);
  }

  @Override
  public Mark newMark() {
    return inner.newMark();
  }

  @Override
  public void embed(
      Tensor tokens, Tensor table, @Nullable Tensor positionTable, StepState state, Tensor out) {
    inner.embed(tokens, table, positionTable, state, out);
  }

  @Override
  public void norm(
      NormKind kind, Tensor x, Tensor gain, @Nullable Tensor bias, float eps, Tensor out) {
    inner.norm(kind, x, gain, bias, eps, out);
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
    inner.addNorm(x, delta, kind, gain, bias, eps, out);
  }

  @Override
  public void headNorm(Tensor x, Tensor gain, float eps) {
    inner.headNorm(x, gain, eps);
  }

  @Override
  public void matmul(Tensor x, Tensor weight, Tensor out, boolean accumulate) {
    inner.matmul(x, weight, out, accumulate);
  }

  @Override
  public void bias(Tensor x, Tensor bias) {
    inner.bias(x, bias);
  }

  @Override
  public void rope(Tensor x, int headDim, Tensor table, StepState state) {
    inner.rope(x, headDim, table, state);
  }

  @Override
  public void storeKv(
      AttentionSpec spec, Tensor k, Tensor v, StepState state, Tensor kCache, Tensor vCache) {
    inner.storeKv(spec, k, v, state, kCache, vCache);
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
    inner.attention(spec, q, kCache, vCache, state, mask, out);
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
    inner.storedAttention(spec, q, kCache, vCache, state, mask, scores, out);
  }

  @Override
  public void attentionScores(
      AttentionSpec spec, Tensor q, Tensor kCache, StepState state, Tensor scores) {
    inner.attentionScores(spec, q, kCache, state, scores);
  }

  @Override
  public void maskScores(
      AttentionSpec spec, StepState state, @Nullable Tensor mask, Tensor scores) {
    inner.maskScores(spec, state, mask, scores);
  }

  @Override
  public void softmax(AttentionSpec spec, StepState state, Tensor scores) {
    inner.softmax(spec, state, scores);
  }

  @Override
  public void attentionValues(
      AttentionSpec spec, Tensor scores, Tensor vCache, StepState state, Tensor out) {
    inner.attentionValues(spec, scores, vCache, state, out);
  }

  @Override
  public void activation(Activation activation, boolean gated, Tensor x, Tensor out) {
    inner.activation(activation, gated, x, out);
  }

  @Override
  public void add(Tensor x, Tensor delta) {
    inner.add(x, delta);
  }

  @Override
  public void sample(
      SamplingSpec spec,
      Tensor logits,
      @Nullable Tensor uniforms,
      StepState state,
      Tensor tokens,
      Tensor history) {
    inner.sample(spec, logits, uniforms, state, tokens, history);
  }

  @Override
  public void advance(StepState state, int tokens, int draws) {
    inner.advance(state, tokens, draws);
  }

  @Override
  public void close() {
    // The inner back end belongs to whoever made it.
  }
}
