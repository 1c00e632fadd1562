package assay.train;

import assay.backend.AdamW;
import assay.backend.Sgd;
import assay.backend.TrainingOps;
import assay.backend.TrainingShape;
import assay.model.DType;
import assay.tensor.MemoryCategory;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Passes every operation on and counts its FLOPs, from the shapes that it really got. */
final class CountingOps<T> implements TrainingOps<T> {
  private final TrainingOps<T> ops;
  private final FlopCount count = new FlopCount();
  private Phase phase = Phase.FORWARD;

  CountingOps(TrainingOps<T> ops) {
    this.ops = ops;
  }

  void phase(Phase phase) {
    this.phase = phase;
  }

  FlopCount count() {
    return count;
  }

  private long elements(T x) {
    return (long) ops.rowsOf(x) * ops.columnsOf(x);
  }

  private void add(TrainingOp op, long flops) {
    count.add(phase, op, flops);
  }

  // ---- memory and transfers: nothing to count

  @Override
  public String description() {
    return ops.description();
  }

  @Override
  public boolean supports(MemoryCategory use, DType type) {
    return ops.supports(use, type);
  }

  @Override
  public void reserve(Map<MemoryCategory, Long> reservedBytes) {
    ops.reserve(reservedBytes);
  }

  @Override
  public T allocate(MemoryCategory category, DType type, int rows, int columns) {
    return ops.allocate(category, type, rows, columns);
  }

  @Override
  public T rows(T x, int first, int count) {
    return ops.rows(x, first, count);
  }

  @Override
  public int rowsOf(T x) {
    return ops.rowsOf(x);
  }

  @Override
  public int columnsOf(T x) {
    return ops.columnsOf(x);
  }

  @Override
  public long scratchBytes(TrainingShape shape) {
    return ops.scratchBytes(shape);
  }

  @Override
  public void useScratch(TrainingShape shape, T scratch) {
    ops.useScratch(shape, scratch);
  }

  @Override
  public void write(T target, float[] values) {
    ops.write(target, values);
  }

  @Override
  public void read(T source, float[] values) {
    ops.read(source, values);
  }

  @Override
  public void writeIds(T target, int[] ids) {
    ops.writeIds(target, ids);
  }

  @Override
  public void await() {
    ops.await();
  }

  @Override
  public void copy(T from, T to) {
    ops.copy(from, to);
  }

  @Override
  public void zero(T x) {
    ops.zero(x);
  }

  @Override
  public void embed(T ids, T table, T out) {
    ops.embed(ids, table, out);
  }

  // ---- counted

  @Override
  public void rmsNorm(T x, T gain, float eps, T out, T inverseRms) {
    ops.rmsNorm(x, gain, eps, out, inverseRms);
    add(TrainingOp.NORM, 4 * elements(x)); // square, add, times inverse, times gain
  }

  @Override
  public void rmsNormBackward(T dOut, T x, T gain, T inverseRms, T dx, @Nullable T dGain) {
    ops.rmsNormBackward(dOut, x, gain, inverseRms, dx, dGain);
    // Projection 3 (two products, one sum); dx 5 (two products, a difference, times inverse,
    // added); dGain 3.
    add(TrainingOp.NORM, (dGain == null ? 8 : 11) * elements(x));
  }

  @Override
  public void matmul(T x, T w, T out, boolean accumulate) {
    ops.matmul(x, w, out, accumulate);
    add(TrainingOp.MATMUL, 2L * ops.rowsOf(x) * elements(w));
  }

  @Override
  public void matmulBackwardInput(T dOut, T w, T dx, boolean accumulate) {
    ops.matmulBackwardInput(dOut, w, dx, accumulate);
    add(TrainingOp.MATMUL, 2L * ops.rowsOf(dOut) * elements(w));
  }

  @Override
  public void matmulBackwardWeight(T dOut, T x, T dw) {
    ops.matmulBackwardWeight(dOut, x, dw);
    add(TrainingOp.MATMUL, 2L * ops.rowsOf(dOut) * elements(dw));
  }

  @Override
  public void rope(T x, int headDim, T table, boolean inverse) {
    ops.rope(x, headDim, table, inverse);
    add(TrainingOp.ROPE, 3 * elements(x)); // 4 products and 2 sums for 2 elements
  }

  @Override
  public void attention(
      TrainingShape shape, T q, T k, T v, T out, T logSumExp, @Nullable T probabilities) {
    ops.attention(shape, q, k, v, out, logSumExp, probabilities);
    // q·k and p·v; scale, maximum, difference, exponential, sum; division of the output.
    add(TrainingOp.ATTENTION, (4L * shape.headDim() + 5) * shape.pairs() + elements(q));
  }

  @Override
  public void attentionBackward(
      TrainingShape shape,
      T q,
      T k,
      T v,
      T out,
      T logSumExp,
      @Nullable T probabilities,
      T dOut,
      T dq,
      T dk,
      T dv) {
    ops.attentionBackward(shape, q, k, v, out, logSumExp, probabilities, dOut, dq, dk, dv);
    // Four products (dV, dP, dQ, dK) and P ⊙ (dP − D) · scale; D once per row. Where P was not
    // kept,
    // q·k and the exponential again.
    long perPair = 8L * shape.headDim() + 3;
    if (probabilities == null) {
      perPair += 2L * shape.headDim() + 3;
    }
    add(TrainingOp.ATTENTION, perPair * shape.pairs() + 2 * elements(q));
  }

  @Override
  public void swiGlu(T gate, T up, T out) {
    ops.swiGlu(gate, up, out);
    add(TrainingOp.ACTIVATION, 5 * elements(gate)); // negate, exp, add, divide, times up
  }

  @Override
  public void swiGluBackward(T gate, T up, T dOut, T dGate, T dUp) {
    ops.swiGluBackward(gate, up, dOut, dGate, dUp);
    // Sigmoid 4, silu 1, slope 3, dGate 2, dUp 1.
    add(TrainingOp.ACTIVATION, 11 * elements(gate));
  }

  @Override
  public void crossEntropy(T logits, T targets, float scale, T losses) {
    ops.crossEntropy(logits, targets, scale, losses);
    // Maximum, difference, exponential, sum, times scale.
    add(TrainingOp.LOSS, 5 * elements(logits));
  }

  @Override
  public double sum(T x) {
    add(TrainingOp.LOSS, elements(x));
    return ops.sum(x);
  }

  @Override
  public void embedBackward(T ids, T dOut, T dTable) {
    ops.embedBackward(ids, dOut, dTable);
    add(TrainingOp.EMBED, elements(dOut));
  }

  @Override
  public double sumOfSquares(T x) {
    add(TrainingOp.GRADIENT_NORM, 2 * elements(x));
    return ops.sumOfSquares(x);
  }

  @Override
  public void adamW(
      AdamW settings,
      float gradientScale,
      T weight,
      @Nullable T master,
      T gradient,
      T momentum,
      T variance) {
    ops.adamW(settings, gradientScale, weight, master, gradient, momentum, variance);
    // Scale 1; momentum 3; variance 4; denominator 3; decay, rate, division, difference 4.
    add(TrainingOp.ADAMW, 15 * elements(weight));
  }

  @Override
  public void sgd(
      Sgd settings,
      float gradientScale,
      T weight,
      @Nullable T master,
      T gradient,
      @Nullable T velocity) {
    ops.sgd(settings, gradientScale, weight, master, gradient, velocity);
    // Scale 1; decay 2; velocity 2; rate and difference 2.
    add(TrainingOp.SGD, (velocity == null ? 5 : 7) * elements(weight));
  }

  @Override
  public void scale(T x, float factor) {
    ops.scale(x, factor);
    add(TrainingOp.SCALE, elements(x));
  }

  @Override
  public void close() {
    ops.close();
  }
}
