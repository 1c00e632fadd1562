// targets: sm_75 sm_80
//
// store_kv    this pass's k and v [n, nKvHeads · headDim] (strided) into the caches, converted to their type
// rope_store  rotates q in place and k on its way into the cache (rope.cuh); k itself is not written: nobody reads it
//             again, which saves a third of the traffic of rope and store_kv one after the other
//
// Caches [batch · nKvHeads · maxSeqLen, headDim]: row (b · nKvHeads + h) · maxSeqLen + slot, token t of the pass at
// slot counters[SLOT] + t. Slots beyond maxSeqLen are dropped: the host refuses them before.
//
// 256 threads, units of 8 elements (k, v) or 8 pairs (rotated); grid (ceil(columns / 2048), rows), loops over both.
// Variants: type of q, k, v and type of the caches.
#include "rope.cuh"

struct CachePlace {
  const int* counters;
  int tokensPerSequence, nKvHeads, headDim, maxSeqLen;

  // First element of the cache row of token row r and key head `head`, or -1 behind the end.
  DEVICE_OP i64 element(int r, int head) const {
    int slot = counters[kSlot] + r % tokensPerSequence;
    i64 row = ((i64)(r / tokensPerSequence) * nKvHeads + head) * maxSeqLen + slot;
    return slot < maxSeqLen ? row * headDim : -1;
  }
};

template <class T, class C>
DEVICE void copy_unit(const T* x, int ldX, C* cache, const CachePlace& place, int r, int i, bool vector) {
  int units = (place.headDim + 7) / 8;
  int head = i / units;
  int first = 8 * (i % units);
  i64 at = place.element(r, head);
  if (at < 0) {
    return;
  }
  float v[8];
  load8(x + (size_t)r * ldX + (size_t)head * place.headDim + first, place.headDim - first, vector, v);
  store8(cache + at + first, place.headDim - first, vector, v);
}

template <class T, class C>
DEVICE void store_kv(const T* k, int ldK, const T* v, int ldV, C* kCache, C* vCache, const CachePlace& place, int n) {
  int d = place.headDim;
  bool vector = d % 8 == 0 && rows_aligned(k, ldK) && rows_aligned(v, ldV) && is_aligned(kCache, 16) &&
                is_aligned(vCache, 16);
  int perTensor = place.nKvHeads * ((d + 7) / 8);
  for (int r = blockIdx.y; r < n; r += gridDim.y) {
    for (int i = blockIdx.x * 256 + threadIdx.x; i < 2 * perTensor; i += 256 * gridDim.x) {
      if (i < perTensor) {
        copy_unit(k, ldK, kCache, place, r, i, vector);
      } else {
        copy_unit(v, ldV, vCache, place, r, i - perTensor, vector);
      }
    }
  }
}

template <class T, class C>
DEVICE void rope_store(T* q, int ldQ, const T* k, int ldK, const T* v, int ldV, C* kCache, C* vCache, const f32* table,
                       const int* keyStart, const CachePlace& place, int n, int nHeads) {
  int d = place.headDim;
  int half = d / 2;
  int pairUnits = rotary_units(d);
  bool vector = d % 16 == 0 && rows_aligned(q, ldQ) && rows_aligned(k, ldK) && rows_aligned(v, ldV) &&
                is_aligned(kCache, 16) && is_aligned(vCache, 16) && is_aligned(table, 16);
  int forQ = nHeads * pairUnits;
  int forK = place.nKvHeads * pairUnits;
  int forV = place.nKvHeads * ((d + 7) / 8);
  for (int r = blockIdx.y; r < n; r += gridDim.y) {
    const f32* angles = table + (size_t)position_of(place.counters, keyStart, r, place.tokensPerSequence) * d;
    for (int i = blockIdx.x * 256 + threadIdx.x; i < forQ + forK + forV; i += 256 * gridDim.x) {
      float first[8], second[8];
      if (i < forQ) {
        T* head = q + (size_t)r * ldQ + (size_t)(i / pairUnits) * d;
        int u = i % pairUnits;
        rotate_unit(head, d, u, angles, vector, first, second);
        store8(head + 8 * u, half - 8 * u, vector, first);
        store8(head + half + 8 * u, half - 8 * u, vector, second);
      } else if (i < forQ + forK) {
        int head = (i - forQ) / pairUnits;
        int u = (i - forQ) % pairUnits;
        i64 at = place.element(r, head);
        if (at >= 0) {
          rotate_unit(k + (size_t)r * ldK + (size_t)head * d, d, u, angles, vector, first, second);
          store8(kCache + at + 8 * u, half - 8 * u, vector, first);
          store8(kCache + at + half + 8 * u, half - 8 * u, vector, second);
        }
      } else {
        copy_unit(v, ldV, vCache, place, r, i - forQ - forK, vector);
      }
    }
  }
}

#define STORE_KV(T, C)                                                                                              \
  ENTRY(256, store_kv_##T##_##C, const T* k, int ldK, const T* v, int ldV, C* kCache, C* vCache, const int* counters, \
        int tokensPerSequence, int n, int nKvHeads, int headDim, int maxSeqLen) {                                   \
    store_kv<T, C>(k, ldK, v, ldV, kCache, vCache,                                                                  \
                   CachePlace{counters, tokensPerSequence, nKvHeads, headDim, maxSeqLen}, n);                       \
  }                                                                                                                 \
  ENTRY(256, rope_store_##T##_##C, T* q, int ldQ, const T* k, int ldK, const T* v, int ldV, C* kCache, C* vCache,     \
        const f32* table, const int* counters, const int* keyStart, int tokensPerSequence, int n, int nHeads,        \
        int nKvHeads, int headDim, int maxSeqLen) {                                                                 \
    rope_store<T, C>(q, ldQ, k, ldK, v, ldV, kCache, vCache, table, keyStart,                                       \
                     CachePlace{counters, tokensPerSequence, nKvHeads, headDim, maxSeqLen}, n, nHeads);             \
  }
FOR_ACTIVATION_PAIRS(STORE_KV)
