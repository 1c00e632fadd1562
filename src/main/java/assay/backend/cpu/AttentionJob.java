package assay.backend.cpu;

import assay.backend.AttentionSpec;
import assay.backend.StepState;
import assay.backend.cpu.kernel.Kernels;
import assay.backend.cpu.kernel.RawMemory;
import assay.model.DType;
import assay.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * One attention operation as addresses and numbers, and the questions that both ways of computing
 * it ask. Reused, so that nothing is allocated.
 */
final class AttentionJob {
  private static final AttentionSpec NONE = new AttentionSpec(1, 1, 1, 1, 1, 1, true, 0, false, 1);

  AttentionSpec spec = NONE;
  long q;
  long qRowBytes;
  long out;
  long outRowBytes;
  DType cacheType = DType.F32;
  long kCache;
  long vCache;
  long keyStart;
  int slot;
  private long mask;
  private long maskRowBytes;

  void set(
      AttentionSpec spec,
      Tensor q,
      Tensor kCache,
      Tensor vCache,
      StepState state,
      @Nullable Tensor mask,
      Tensor out) {
    if (kCache.type() != vCache.type() || !kCache.isDense() || !vCache.isDense()) {
      throw new IllegalArgumentException("caches " + kCache + " and " + vCache);
    }
    setMask(spec, state, mask);
    this.q = Addresses.floats(q);
    this.qRowBytes = q.rowStrideBytes();
    this.out = Addresses.floats(out);
    this.outRowBytes = out.rowStrideBytes();
    this.cacheType = kCache.type();
    this.kCache = Addresses.of(kCache);
    this.vCache = Addresses.of(vCache);
  }

  /** The same as another. */
  void copy(AttentionJob j) {
    spec = j.spec;
    q = j.q;
    qRowBytes = j.qRowBytes;
    out = j.out;
    outRowBytes = j.outRowBytes;
    cacheType = j.cacheType;
    kCache = j.kCache;
    vCache = j.vCache;
    keyStart = j.keyStart;
    slot = j.slot;
    mask = j.mask;
    maskRowBytes = j.maskRowBytes;
  }

  /** What says which keys are seen. */
  void setMask(AttentionSpec spec, StepState state, @Nullable Tensor mask) {
    this.spec = spec;
    this.keyStart = Addresses.of(state.keyStart());
    this.slot = Addresses.slot(state);
    if (slot < 0 || slot > spec.maxSeqLen() - spec.tokensPerSequence()) {
      throw new IllegalArgumentException(
          "slot %d + %d tokens of a cache of %d"
              .formatted(slot, spec.tokensPerSequence(), spec.maxSeqLen()));
    }
    this.mask = mask == null ? 0 : Addresses.of(mask);
    this.maskRowBytes = mask == null ? 0 : mask.rowStrideBytes();
  }

  /** Query heads that share a key head. */
  int group() {
    return spec.nHeads() / spec.nKvHeads();
  }

  /** Slots written so far, this pass's included. */
  int keys() {
    return slot + spec.tokensPerSequence();
  }

  long query(int sequence, int token, int head) {
    return q + rowOf(sequence, token) * qRowBytes + 4L * head * spec.headDim();
  }

  long result(int sequence, int token, int head) {
    return out + rowOf(sequence, token) * outRowBytes + 4L * head * spec.headDim();
  }

  private long rowOf(int sequence, int token) {
    return (long) sequence * spec.tokensPerSequence() + token;
  }

  /** First key slot that a token sees, the mask matrix apart. */
  int firstKey(int sequence, int token) {
    int start = RawMemory.getInt(keyStart + 4L * sequence);
    int query = slot + token;
    return Math.max(start, spec.window() > 0 ? query - spec.window() + 1 : 0);
  }

  /** One beyond the last key slot that a token sees. */
  int endKey(int token) {
    return spec.causal() ? slot + token + 1 : keys();
  }

  /**
   * Adds ALiBi's bias to the scores of keys [from, to) of one query; {@code scores} is that of key
   * {@code from}.
   */
  void addBias(long scores, int token, int head, int from, int to) {
    if (spec.alibi()) {
      int query = slot + token;
      float slope = (float) AttentionSpec.alibiSlope(head, spec.nHeads());
      for (int j = from; j < to; j++) {
        long at = scores + 4L * (j - from);
        RawMemory.setFloat(at, RawMemory.getFloat(at) + slope * (j - query));
      }
    }
  }

  /** Puts −∞ where the mask matrix hides, in the scores of keys [from, to) of one query. */
  void hide(long scores, int token, int from, int to) {
    if (mask != 0) {
      long row = mask + (slot + token) * maskRowBytes;
      for (int j = from; j < to; j++) {
        if (RawMemory.getByte(row + j) == 0) {
          RawMemory.setFloat(scores + 4L * (j - from), Float.NEGATIVE_INFINITY);
        }
      }
    }
  }

  /**
   * Rows of a cache from {@code slot} on as fp32, dense: where they lie, or converted to {@code
   * scratch}.
   */
  long rows(
      Kernels kernels, long cache, int sequence, int kvHead, int slot, int count, long scratch) {
    int d = spec.headDim();
    long element = (long) spec.cacheRow(sequence, kvHead, slot) * d;
    switch (cacheType) {
      case F32 -> {
        return cache + 4 * element;
      }
      case F16 -> kernels.halfToFloat(cache + 2 * element, scratch, count * d);
      case BF16 -> kernels.bf16ToFloat(cache + 2 * element, scratch, count * d);
      default -> throw new IllegalArgumentException("KV cache of " + cacheType);
    }
    return scratch;
  }
}
