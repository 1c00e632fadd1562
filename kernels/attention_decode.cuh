// Attention of one new token a sequence: out = softmax(q·K·scale (+ ALiBi), masked)·V over everything in the cache, in
// two phases, since one block per head would leave most of the device idle (Flash-Decoding, Dao et al. 2023):
//
// attention_decode   grid (splits, nKvHeads · ceil(group / G), batch), 128 threads. The visible keys are cut into
//                    `splits` pieces; the length is read from counters[SLOT], so a recorded launch stays right while
//                    the sequence grows, and all blocks share the work at any length. A block takes the G query heads
//                    of one key head together: K and V are read once for all of them.
//                    partials fp32 [batch, nHeads, splits, headDim + 2]: maximum (in units of log 2), sum, values.
// attention_combine  (attention_combine.cu) merges the splits.
//
// K and V [batch · nKvHeads · maxSeqLen, headDim] of the variant's type. D/8 lanes share a key, 8 elements each: one
// 16-byte load for 16-bit caches; U keys are loaded together, K and V, before any arithmetic. Requires headDim a multiple
// of 8 and caches at multiples of 16 bytes (attention.cu takes the rest). Memory: K and V read once, at group > G
// ceil(group / G) times. Online softmax in fp32 per group of lanes, merged in the warp by shuffles, then in shared
// memory. Limits: 2 FMA per loaded element and query head, so up to 8 heads a group stay bound by memory.
#pragma once
#include "attention.cuh"

constexpr int kDecodeThreads = 128;
constexpr int kDecodeWarps = 4;

template <int G>
struct Online {  // online softmax of 8 elements for G query heads
  float maximum[G];
  float sum[G];
  float value[G][8];
};

// Merges with the lane `lanes` away, which holds the same elements over other keys.
template <int G>
DEVICE void merge_lanes(Online<G>& s, int lanes) {
  UNROLL for (int g = 0; g < G; g++) {
    float maximum = fmaxf(s.maximum[g], __shfl_xor_sync(kAllLanes, s.maximum[g], lanes));
    float correction = exp2f(s.maximum[g] - finite_or_zero(maximum));
    s.maximum[g] = maximum;
    s.sum[g] *= correction;
    s.sum[g] += __shfl_xor_sync(kAllLanes, s.sum[g], lanes);
    UNROLL for (int i = 0; i < 8; i++) {
      s.value[g][i] *= correction;
      s.value[g][i] += __shfl_xor_sync(kAllLanes, s.value[g][i], lanes);
    }
  }
}

template <class C, int D, int G>
DEVICE void attend_split(float* partials, const void* q, int ldQ, int qType, const C* kCache, const C* vCache,
                         const Attention& a, int splits) {
  constexpr int kLanes = D / 8;              // that share a key
  constexpr int kKeys = 32 / kLanes;         // of a warp at once
  constexpr int kStep = kDecodeWarps * kKeys;  // of the block at once
  constexpr int kUnrolled = G > 4 ? 2 : 4;     // as far as registers go
  SHARED(float, queries, G * D);
  SHARED(float, warpMaximum, kDecodeWarps * G);
  SHARED(float, warpSum, kDecodeWarps * G);
  SHARED(float, warpValue, kDecodeWarps * G * D);
  int warp = threadIdx.x / 32;
  int lane = threadIdx.x % 32;
  int first = lane % kLanes * 8;  // this lane's elements
  int groupBlocks = (a.group() + G - 1) / G;
  int kvHead = blockIdx.y / groupBlocks;
  int firstHead = kvHead * a.group() + blockIdx.y % groupBlocks * G;
  int heads = (kvHead + 1) * a.group() - firstHead;
  heads = heads < G ? heads : G;
  int sequence = blockIdx.z;
  int slot = a.counters[kSlot];
  int start = a.keyStart[sequence];
  int begin = a.first_key(sequence, slot);
  int end = a.keys();
  int piece = end > begin ? ((end - begin + splits - 1) / splits + kStep - 1) / kStep * kStep : 0;
  begin += blockIdx.x * piece;
  end = begin + piece < end ? begin + piece : end;

  for (int i = threadIdx.x; i < G * D; i += kDecodeThreads) {
    int g = i / D;
    int d = i % D;
    bool inside = g < heads && d < a.headDim;
    size_t at = inside ? (size_t)sequence * ldQ + (size_t)(firstHead + g) * a.headDim + d : 0;
    queries[i] = inside ? load_typed(q, qType, at) * (a.scale * kLog2e) : 0.0f;
  }
  __syncthreads();
  float query[G][8];
  float slope[G];
  Online<G> s;
  UNROLL for (int g = 0; g < G; g++) {
    load8_vector(queries + g * D + first, query[g]);
    slope[g] = a.alibi ? alibi_slope(firstHead + (g < heads ? g : 0), a.nHeads) * kLog2e : 0.0f;
    s.maximum[g] = -kInfinity;
    s.sum[g] = 0;
    UNROLL for (int i = 0; i < 8; i++) {
      s.value[g][i] = 0;
    }
  }

  for (int base = begin + warp * kKeys + lane / kLanes; base - lane / kLanes < end; base += kStep * kUnrolled) {
    float k[kUnrolled][8], v[kUnrolled][8];
    bool visible[kUnrolled];
    UNROLL for (int u = 0; u < kUnrolled; u++) {
      int j = base + u * kStep;
      // A hidden key's K and V are not read: the memory may hold anything.
      visible[u] = j < end && a.sees(start, slot, j);
      if (visible[u] && first < a.headDim) {
        size_t at = a.cache_row(sequence, kvHead, j) * a.headDim + first;
        load8_vector(kCache + at, k[u]);
        load8_vector(vCache + at, v[u]);
      } else {
        UNROLL for (int i = 0; i < 8; i++) {
          k[u][i] = v[u][i] = 0;
        }
      }
    }
    UNROLL for (int g = 0; g < G; g++) {
      float score[kUnrolled];
      float maximum = s.maximum[g];
      UNROLL for (int u = 0; u < kUnrolled; u++) {
        float dot = 0;
        UNROLL for (int i = 0; i < 8; i++) {
          dot += query[g][i] * k[u][i];
        }
        UNROLL for (int lanes = kLanes / 2; lanes > 0; lanes /= 2) {
          dot += __shfl_xor_sync(kAllLanes, dot, lanes);
        }
        int j = base + u * kStep;
        score[u] = visible[u] ? dot + slope[g] * (j - slot) : -kInfinity;
        maximum = fmaxf(maximum, score[u]);
      }
      float shift = finite_or_zero(maximum);
      float correction = exp2f(s.maximum[g] - shift);
      s.maximum[g] = maximum;
      s.sum[g] *= correction;
      UNROLL for (int i = 0; i < 8; i++) {
        s.value[g][i] *= correction;
      }
      UNROLL for (int u = 0; u < kUnrolled; u++) {
        float weight = exp2f(score[u] - shift);
        s.sum[g] += weight;
        UNROLL for (int i = 0; i < 8; i++) {
          s.value[g][i] += weight * v[u][i];
        }
      }
    }
  }

  UNROLL for (int lanes = kLanes; lanes < 32; lanes *= 2) {
    merge_lanes(s, lanes);
  }
  if (lane < kLanes) {
    UNROLL for (int g = 0; g < G; g++) {
      UNROLL for (int i = 0; i < 8; i++) {
        warpValue[(warp * G + g) * D + first + i] = s.value[g][i];
      }
      if (lane == 0) {
        warpMaximum[warp * G + g] = s.maximum[g];
        warpSum[warp * G + g] = s.sum[g];
      }
    }
  }
  __syncthreads();

  for (int g = 0; g < heads; g++) {
    float maximum = -kInfinity;
    UNROLL for (int w = 0; w < kDecodeWarps; w++) {
      maximum = fmaxf(maximum, warpMaximum[w * G + g]);
    }
    float correction[kDecodeWarps];
    float sum = 0;
    UNROLL for (int w = 0; w < kDecodeWarps; w++) {
      correction[w] = exp2f(warpMaximum[w * G + g] - finite_or_zero(maximum));
      sum += correction[w] * warpSum[w * G + g];
    }
    size_t at = ((size_t)sequence * a.nHeads + firstHead + g) * splits + blockIdx.x;
    float* out = partials + at * (a.headDim + 2);
    for (int d = threadIdx.x; d < a.headDim; d += kDecodeThreads) {
      float value = 0;
      UNROLL for (int w = 0; w < kDecodeWarps; w++) {
        value += correction[w] * warpValue[(w * G + g) * D + d];
      }
      out[2 + d] = value;
    }
    if (threadIdx.x == 0) {
      out[0] = maximum;
      out[1] = sum;
    }
  }
}

#define DECODE(C, D, G)                                                                                           \
  ENTRY_PER_SM(128, 2, attention_decode_##C##_d##D##_g##G, float* partials, const void* q, int ldQ, int qType,     \
               const C* kCache, const C* vCache, const int* counters, const int* keyStart, const u8* mask,        \
               int batch, int nHeads, int nKvHeads, int headDim, float scale, int window, int alibi,              \
               int maxSeqLen, int splits) {                                                                       \
    if (blockIdx.z < (u32)batch) {                                                                                \
      attend_split<C, D, G>(partials, q, ldQ, qType, kCache, vCache,                                              \
                            Attention{counters, keyStart, mask, 1, nHeads, nKvHeads, headDim, scale, 1, window,   \
                                      alibi, maxSeqLen},                                                          \
                            splits);                                                                              \
    }                                                                                                             \
  }
#define DECODE_GROUPS(C, D) DECODE(C, D, 1) DECODE(C, D, 4) DECODE(C, D, 8)
#define DECODE_DIMS(C) DECODE_GROUPS(C, 64) DECODE_GROUPS(C, 128) DECODE_GROUPS(C, 256)
