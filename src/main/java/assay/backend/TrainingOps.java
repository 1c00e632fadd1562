package assay.backend;

import assay.model.DType;
import assay.tensor.MemoryCategory;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a device must be able to do for a training step: about a dozen operations forward, their
 * counterparts backward, and the optimiser. The order in which they are called, what is saved
 * between forward and backward and what is counted is the step's business, not the device's.
 *
 * <p>Every matrix is [rows, columns], row-major; n is batch · tokens per sequence, sequence after
 * sequence. Operations are enqueued in order and may run later than the call; methods that return
 * values wait. Outputs do not overlap inputs unless said otherwise. "+=" means that the operation
 * adds to what is there.
 *
 * @param <T> the device's matrices
 */
public interface TrainingOps<T> extends AutoCloseable {
  /** What runs: implementation, arithmetic, threads. */
  String description();

  /** Whether matrices of this type can be allocated for this use. */
  boolean supports(MemoryCategory use, DType type);

  // ---- memory and transfers

  /**
   * Takes all memory that {@link #allocate} will give out, by category.
   *
   * @param reservedBytes each tensor rounded up to {@link
   *     assay.tensor.TensorAllocator#ALIGNMENT_BYTES}, scratch included
   * @throws assay.model.UserError exit code 3 when the device has not that much free
   */
  void reserve(Map<MemoryCategory, Long> reservedBytes);

  /** A matrix of zeros out of what was reserved. */
  T allocate(MemoryCategory category, DType type, int rows, int columns);

  /** A view of rows [first, first + count). */
  T rows(T x, int first, int count);

  /** Rows of a matrix. */
  int rowsOf(T x);

  /** Columns of a matrix. */
  int columnsOf(T x);

  /** Scratch bytes that the operations of such a step need besides their operands. */
  long scratchBytes(TrainingShape shape);

  /** Hands over the scratch, U8 [1, {@link #scratchBytes}]. */
  void useScratch(TrainingShape shape, T scratch);

  /** Copies values to a matrix, row-major, rounding to its type. */
  void write(T target, float[] values);

  /** Copies a matrix to {@code values}, row-major; waits for everything before it. */
  void read(T source, float[] values);

  /** Writes token ids to an I32 matrix [n, 1]. */
  void writeIds(T target, int[] ids);

  /** Waits for everything enqueued. */
  void await();

  // ---- forward

  /** out[r] = table[ids[r]]; ids I32 [n, 1], table [vocabulary, hidden], out [n, hidden]. */
  void embed(T ids, T table, T out);

  /**
   * out = x ⊙ gain · inverseRms, inverseRms = 1/√(mean(x²) + eps) (Zhang and Sennrich 2019).
   *
   * @param x [n, width]
   * @param gain [1, width]
   * @param inverseRms [n, 1], for the backward pass
   */
  void rmsNorm(T x, T gain, float eps, T out, T inverseRms);

  /** out (+)= x · wᵀ; x [n, in], w [out, in], out [n, out]. */
  void matmul(T x, T w, T out, boolean accumulate);

  /**
   * Rotates elements i and i + headDim/2 of each head, in place, by the angle of the row's position
   * in its sequence; {@code inverse} by its negative, which is also the gradient.
   *
   * @param x [n, heads·headDim]
   * @param table [tokens, headDim]: cosines of the headDim/2 angles, then sines
   */
  void rope(T x, int headDim, T table, boolean inverse);

  /**
   * Causal self-attention, out = softmax(q·kᵀ/√headDim)·v within each sequence.
   *
   * @param q [n, nHeads·headDim]
   * @param k [n, nKvHeads·headDim]
   * @param v [n, nKvHeads·headDim]
   * @param out [n, nHeads·headDim]
   * @param logSumExp [n, nHeads]: log of each softmax's denominator, for the backward pass
   * @param probabilities [n·nHeads, tokens], row r·nHeads + h: the probabilities too, zero above
   *     the diagonal; null to compute them again in the backward pass
   */
  void attention(TrainingShape shape, T q, T k, T v, T out, T logSumExp, @Nullable T probabilities);

  /** out = gate · sigmoid(gate) ⊙ up, all [n, width] (Shazeer 2020). */
  void swiGlu(T gate, T up, T out);

  /** to = from. */
  void copy(T from, T to);

  /** x *= factor. */
  void scale(T x, float factor);

  // ---- loss

  /**
   * Softmax cross-entropy of each row, and its gradient in place of the logits: logits becomes
   * (softmax(logits) − onehot(target)) · scale.
   *
   * @param logits [n, vocabulary]
   * @param targets I32 [n, 1]; a negative target has no loss and no gradient
   * @param losses [n, 1], in nats
   */
  void crossEntropy(T logits, T targets, float scale, T losses);

  /** The sum of all elements, accumulated in fp64. */
  double sum(T x);

  // ---- backward

  /** dx (+)= dOut · w: the gradient of {@link #matmul} by its input. */
  void matmulBackwardInput(T dOut, T w, T dx, boolean accumulate);

  /** dw += dOutᵀ · x: the gradient of {@link #matmul} by its weight. */
  void matmulBackwardWeight(T dOut, T x, T dw);

  /** dx += and dGain += of {@link #rmsNorm}; dGain null where the gain is frozen. */
  void rmsNormBackward(T dOut, T x, T gain, T inverseRms, T dx, @Nullable T dGain);

  /**
   * dq, dk and dv of {@link #attention}; arguments as there. Where the probabilities were kept,
   * logSumExp is not read.
   */
  void attentionBackward(
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
      T dv);

  /** dGate and dUp of {@link #swiGlu}; dUp may be dOut itself. */
  void swiGluBackward(T gate, T up, T dOut, T dGate, T dUp);

  /** dTable[ids[r]] += dOut[r]. */
  void embedBackward(T ids, T dOut, T dTable);

  // ---- update

  /** Sets everything to zero. */
  void zero(T x);

  /** The sum of squares of all elements, accumulated in fp64. */
  double sumOfSquares(T x);

  /**
   * One update of AdamW (Loshchilov and Hutter 2019, algorithm 2), gradients being multiplied by
   * {@code gradientScale} first.
   *
   * @param weight what the forward pass reads; rewritten
   * @param master fp32 copy of the weight that the update is done on, where the weight itself is
   *     stored in fewer bits; null where the weight is its own master
   * @param momentum first moment, updated
   * @param variance second moment, updated
   */
  void adamW(
      AdamW settings,
      float gradientScale,
      T weight,
      @Nullable T master,
      T gradient,
      T momentum,
      T variance);

  /**
   * One update of SGD; arguments as in {@link #adamW}.
   *
   * @param velocity updated; null without momentum
   */
  void sgd(
      Sgd settings,
      float gradientScale,
      T weight,
      @Nullable T master,
      T gradient,
      @Nullable T velocity);

  /** Frees everything. */
  @Override
  void close();
}
