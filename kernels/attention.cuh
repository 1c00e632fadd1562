// What all attention kernels share: which keys a query sees (assay.backend.AttentionSpec), where they lie, ALiBi.
//
// A pass has T tokens a sequence at slots counters[SLOT] + t. A query at slot i sees key slot j when keyStart[b] ≤ j;
// j ≤ i if causal, else j < slot + T; i - j < window if window > 0; mask[i · maxSeqLen + j] ≠ 0 if there is a mask.
//
// GQA without copies: the query heads of one group (nHeads / nKvHeads of them) read the same K and V, so a block takes
// all of them together. Its rows are packed: row p of a key head is token p / group, head of the group p % group.
#pragma once
#include "common.cuh"

constexpr float kLog2e = 1.4426950408889634f;

struct Attention {
  const int* counters;
  const int* keyStart;
  const u8* mask;  // null for none
  int tokensPerSequence, nHeads, nKvHeads, headDim;
  float scale;
  int causal, window, alibi, maxSeqLen;

  DEVICE_OP int group() const { return nHeads / nKvHeads; }

  // Row of q and out of packed row p of a sequence, and its query head.
  DEVICE_OP size_t token_row(int sequence, int p) const { return (size_t)sequence * tokensPerSequence + p / group(); }
  DEVICE_OP int head(int kvHead, int p) const { return kvHead * group() + p % group(); }
  DEVICE_OP int slot(int p) const { return counters[kSlot] + p / group(); }

  DEVICE_OP size_t cache_row(int sequence, int kvHead, int slot) const {
    return ((size_t)sequence * nKvHeads + kvHead) * maxSeqLen + slot;
  }

  // Keys written so far, those of this pass included.
  DEVICE_OP int keys() const {
    int n = counters[kSlot] + tokensPerSequence;
    return n < maxSeqLen ? n : maxSeqLen;
  }

  // First key that any query from slot `query` on can see; keys before it may be anything.
  DEVICE_OP int first_key(int sequence, int query) const {
    int start = keyStart[sequence];
    int edge = window > 0 ? query - window + 1 : 0;
    return edge > start ? edge : start;
  }

  // One past the last key that queries up to slot `query` can see.
  DEVICE_OP int end_key(int query) const {
    int n = keys();
    return causal && query + 1 < n ? query + 1 : n;
  }

  // Whether the query at slot i sees key j < keys().
  DEVICE_OP bool sees(int start, int i, int j) const {
    return j >= start && (!causal || j <= i) && (window <= 0 || i - j < window) &&
           (mask == nullptr || mask[(size_t)i * maxSeqLen + j] != 0);
  }
};

// ALiBi's slope (Press et al. 2022): 2^(-8/n (h+1)) for a power of two n, beyond it interleaved from that of 2n.
DEVICE float alibi_slope(int head, int nHeads) {
  int power = 1 << (31 - __clz(nHeads));
  return head < power ? exp2f(-8.0f / power * (head + 1)) : exp2f(-4.0f / power * (2 * (head - power) + 1));
}

// A maximum over nothing is -inf, and -inf - -inf would be NaN.
DEVICE float finite_or_zero(float x) { return x == -kInfinity ? 0.0f : x; }
