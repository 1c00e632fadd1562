package assay.backend;

import assay.model.Activation;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.NormKind;
import assay.model.Precision;
import assay.model.RandomStream;
import assay.tensor.Arena;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;

/**
 * A device. Every operation and transfer is <em>enqueued</em> in order and may run later than the
 * call; {@link #await} waits for all of it. Shapes are checked on entry. Activations are of type
 * {@link #activationType}; {@code n} is the number of rows of a pass (batch · tokens per sequence).
 * Unless said otherwise outputs must not overlap inputs, and only matrices of weights may be packed
 * or of a blocked type.
 *
 * <p>All calls come from the thread that made the back end. Nothing here falls back silently: what
 * a device cannot do throws.
 */
public interface Backend extends AutoCloseable {

  // ---- what it is

  /** Name, implementation and facts. */
  BackendInfo info();

  /** Whether the device has this precision mode. */
  boolean supports(Precision precision);

  /**
   * In words, the arithmetic that matrix products of this precision really use: {@code prefill} of
   * many rows or decode of few.
   */
  String arithmetic(Precision precision, boolean prefill);

  /** The same for products of {@code rows} rows in the layers of this very model. */
  default String arithmetic(Precision precision, ModelConfig config, int rows) {
    return arithmetic(precision, rows > 1);
  }

  /**
   * The precision whose peak bounds such products: that of the operands which the device's
   * multipliers really get.
   */
  default Precision multipliesIn(Precision precision, ModelConfig config, int rows) {
    return precision;
  }

  /**
   * How matrix products of this precision round the activations that enter them: products of
   * several rows, as in {@code prefill} and in decode of a batch, or of one.
   */
  default InputRounding inputRounding(Precision precision, boolean prefill) {
    return InputRounding.NONE;
  }

  /**
   * The same for one product of {@code rows} rows in a session of this very model. Of the weight
   * only type and shape count: it may be another device's.
   */
  default InputRounding inputRounding(
      Precision precision, ModelConfig config, int rows, Tensor weight) {
    return inputRounding(precision, rows > 1);
  }

  /** The type of activations at this precision. */
  DType activationType(Precision precision);

  /** Total and free memory now. */
  DeviceMemory memory();

  /** Whether device memory is the host's own, shared with everything else that runs there. */
  default boolean sharesHostMemory() {
    return false;
  }

  /** Bytes of all arenas that are open. */
  long liveBytes();

  // ---- memory and transfers

  /**
   * Reserves device memory.
   *
   * @throws assay.model.UserError exit code 3 when the device has not that much free
   */
  Arena newArena(MemoryCategory category, long capacityBytes);

  /**
   * Scratch bytes that the operations of such a session need, from {@link #reserveWorkspace}'s own
   * arithmetic; 0 where none.
   */
  long workspaceBytes(SessionShape shape);

  /** Hands over the scratch memory, {@link #workspaceBytes} of it, before the first operation. */
  void reserveWorkspace(SessionShape shape, Arena arena);

  /**
   * A weight matrix [rows, columns] from an arena, in the layout that this device multiplies
   * fastest ({@link Tensor.Layout#PACKED} or not): always exactly {@code type.bytes(rows,
   * columns)}.
   */
  default Tensor weight(assay.tensor.TensorAllocator arena, DType type, int rows, int columns) {
    return arena.allocate(type, rows, columns);
  }

  /**
   * Writes rows [firstRow, firstRow + rowCount) of a weight from row-major stored bytes. {@code
   * source} is free again on return.
   */
  void writeWeight(Tensor weight, int firstRow, int rowCount, MemorySegment source);

  /** Reads rows back as row-major stored bytes; complete on return. */
  void readWeight(Tensor weight, int firstRow, int rowCount, MemorySegment target);

  /** Copies dense host bytes into a row-major tensor. {@code source} is free again on return. */
  void write(Tensor target, MemorySegment source);

  /**
   * Copies a row-major tensor to dense host bytes; awaits everything before it and is complete on
   * return.
   */
  void read(Tensor source, MemorySegment target);

  /** Sets every byte of a dense tensor to zero. */
  void zero(Tensor target);

  /**
   * Fills rows [firstRow, firstRow + rowCount) of a weight from a generator on the device itself,
   * with the bits that {@link assay.model.WeightSource#read} and {@link #writeWeight} would have
   * brought, or with those of {@link #ownGenerator}; element 0 of the stream is the first of these
   * rows.
   *
   * @return false, having done nothing, where the device has no such generator
   */
  default boolean generateWeight(Tensor weight, int firstRow, int rowCount, RandomStream stream) {
    return false;
  }

  /**
   * The name of the device's own generator, where it uses that for such a stream: then only the
   * device can tell what the elements are. Empty where they are the host's.
   */
  default Optional<String> ownGenerator(RandomStream stream) {
    return Optional.empty();
  }

  /**
   * Largest magnitude of the first {@code count} elements of a stream, or with a generator of the
   * device's own the bound on it; empty where {@link #generateWeight} is false.
   */
  default OptionalDouble largestGenerated(RandomStream stream, long count) {
    return OptionalDouble.empty();
  }

  /**
   * Fills F32 {@code out} with the device's uniform random numbers in [0, 1), the same for the same
   * seed on the same kind of back end.
   */
  void fillUniform(Tensor out, long seed);

  // ---- order and time

  /** Returns when everything enqueued has run; a failure of an earlier operation is thrown here. */
  void await();

  /**
   * Records the operations that {@code body} enqueues; on the device they run once. The body must
   * enqueue operations only, no transfers, and may be called more than once (to run them, then to
   * capture them).
   */
  Recording record(Runnable body);

  /** A new mark for the device's clock. */
  Mark newMark();

  // ---- operations

  /**
   * {@link assay.model.OpKind#EMBED}: out[r] = table[tokens[r]] (+ positionTable[position of r]).
   *
   * @param tokens I32 [1, n]; ids out of range give rows of NaN, never a crash
   * @param table weight [vocabulary, hidden]
   * @param positionTable weight [positions, hidden] or null
   * @param out [n, hidden]
   */
  void embed(
      Tensor tokens, Tensor table, @Nullable Tensor positionTable, StepState state, Tensor out);

  /**
   * {@link assay.model.OpKind#NORM} of each row of x. In place (out = x) is allowed.
   *
   * @param x [n, width], rows may be strided
   * @param gain F32 [1, width]
   * @param bias F32 [1, width]; null for none
   * @param out [n, width]
   */
  void norm(NormKind kind, Tensor x, Tensor gain, @Nullable Tensor bias, float eps, Tensor out);

  /** x += delta, then the norm of x: {@link #add} and {@link #norm} in one. */
  default void addNorm(
      Tensor x,
      Tensor delta,
      NormKind kind,
      Tensor gain,
      @Nullable Tensor bias,
      float eps,
      Tensor out) {
    add(x, delta);
    norm(kind, x, gain, bias, eps, out);
  }

  /**
   * RMS norm of each head's headDim elements of x, in place: x [n, heads·headDim] strided, gain F32
   * [1, headDim] (Qwen 3).
   */
  void headNorm(Tensor x, Tensor gain, float eps);

  /**
   * {@link assay.model.OpKind#MATMUL}: out = x · weightᵀ (+ out if {@code accumulate}).
   *
   * @param x [n, in], rows may be strided
   * @param weight [out, in] of any storage type
   * @param out [n, out] of the activation type or F32, rows may be strided
   */
  void matmul(Tensor x, Tensor weight, Tensor out, boolean accumulate);

  /** {@link assay.model.OpKind#BIAS}: x[r] += bias; x [n, width] strided, bias F32 [1, width]. */
  void bias(Tensor x, Tensor bias);

  /**
   * {@link assay.model.OpKind#ROPE}, in place: elements i and i + headDim/2 of each head are
   * rotated by the angle of the row's position.
   *
   * @param x [n, heads·headDim], rows may be strided
   * @param table F32 [positions, headDim]: cosines of the headDim/2 angles, then sines
   */
  void rope(Tensor x, int headDim, Tensor table, StepState state);

  /**
   * {@link assay.model.OpKind#STORE_KV}: writes this pass's k and v [n, nKvHeads·headDim] (strided)
   * into the caches, converting to their type.
   *
   * @param kCache [batch·nKvHeads·maxSeqLen, headDim], row {@link AttentionSpec#cacheRow}
   */
  void storeKv(
      AttentionSpec spec, Tensor k, Tensor v, StepState state, Tensor kCache, Tensor vCache);

  /**
   * {@link assay.model.OpKind#ATTENTION} of this pass's queries over everything in the cache,
   * without stored scores.
   *
   * @param q [n, nHeads·headDim], rows may be strided
   * @param mask U8 [maxSeqLen, maxSeqLen] by slots [query, key], 0 hides; null for none
   * @param out [n, nHeads·headDim]
   */
  void attention(
      AttentionSpec spec,
      Tensor q,
      Tensor kCache,
      Tensor vCache,
      StepState state,
      @Nullable Tensor mask,
      Tensor out);

  /**
   * The plain path of attention, with all scores in memory: {@link
   * assay.model.OpKind#ATTENTION_SCORES}, {@link assay.model.OpKind#MASK}, {@link
   * assay.model.OpKind#SOFTMAX}, {@link assay.model.OpKind#ATTENTION_VALUES}. The same result as
   * {@link #attention}; claims M7 and C8 compare the two.
   *
   * @param scores F32 [n·nHeads, maxSeqLen], scratch: row r·nHeads + h
   */
  default void storedAttention(
      AttentionSpec spec,
      Tensor q,
      Tensor kCache,
      Tensor vCache,
      StepState state,
      @Nullable Tensor mask,
      Tensor scores,
      Tensor out) {
    attentionScores(spec, q, kCache, state, scores);
    maskScores(spec, state, mask, scores);
    softmax(spec, state, scores);
    attentionValues(spec, scores, vCache, state, out);
  }

  /** scores[r·nHeads + h][j] = q·k·scale (+ ALiBi) for every slot j written so far. */
  void attentionScores(AttentionSpec spec, Tensor q, Tensor kCache, StepState state, Tensor scores);

  /** Sets the scores of hidden keys to −∞. */
  void maskScores(AttentionSpec spec, StepState state, @Nullable Tensor mask, Tensor scores);

  /** Softmax over the slots written so far of each row; a row of −∞ alone becomes zeros. */
  void softmax(AttentionSpec spec, StepState state, Tensor scores);

  /** out = scores · V. */
  void attentionValues(
      AttentionSpec spec, Tensor scores, Tensor vCache, StepState state, Tensor out);

  /**
   * {@link assay.model.OpKind#ACTIVATION}: gated, x [n, 2·width] = [gate | up]: out = act(gate) ⊙
   * up; plain, x [n, width]: out = act(x).
   *
   * @param out [n, width]
   */
  void activation(Activation activation, boolean gated, Tensor x, Tensor out);

  /** {@link assay.model.OpKind#ADD}: x += delta, both [n, width]. */
  void add(Tensor x, Tensor delta);

  /**
   * {@link assay.model.OpKind#SAMPLE}: the next token of each sequence.
   *
   * @param logits F32 [batch, vocabulary]; destroyed
   * @param uniforms F32 [draws, batch] in [0, 1): row counters[DRAW] is used; null if greedy
   * @param tokens I32 [1, batch], out
   * @param history I32 [draws, batch]: row counters[DRAW] receives the tokens too
   */
  void sample(
      SamplingSpec spec,
      Tensor logits,
      @Nullable Tensor uniforms,
      StepState state,
      Tensor tokens,
      Tensor history);

  /** {@link assay.model.OpKind#ADVANCE}: counters[SLOT] += tokens, counters[DRAW] += draws. */
  void advance(StepState state, int tokens, int draws);

  /**
   * Frees everything. Arenas still open are a mistake of the caller and are named in an exception
   * after being freed.
   */
  @Override
  void close();
}
