// targets: sm_75 sm_80
//
// Rotary positions in place: see rope.cuh. x [n, heads · headDim] strided, headDim even; table fp32
// [positions, headDim].
//
// 256 threads, 8 pairs a thread; grid (ceil(heads · headDim / 2048), rows), loops over both. Memory: x read and written
// once, a row of the table per row of x from the cache. fp32 inside, rounded once. In place is safe: a thread reads
// both halves of its pairs before it writes them.
#include "rope.cuh"

template <class T>
DEVICE void rope(T* x, int ldX, const f32* table, const int* counters, const int* keyStart, int tokensPerSequence,
                 int n, int heads, int headDim) {
  int units = rotary_units(headDim);
  bool vector = heads_aligned(x, ldX, headDim) && is_aligned(table, 16);
  for (int r = blockIdx.y; r < n; r += gridDim.y) {
    const f32* angles = table + (size_t)position_of(counters, keyStart, r, tokensPerSequence) * headDim;
    for (int i = blockIdx.x * 256 + threadIdx.x; i < heads * units; i += 256 * gridDim.x) {
      T* head = x + (size_t)r * ldX + (size_t)(i / units) * headDim;
      int u = i % units;
      int count = headDim / 2 - 8 * u;
      float first[8], second[8];
      rotate_unit(head, headDim, u, angles, vector, first, second);
      store8(head + 8 * u, count, vector, first);
      store8(head + headDim / 2 + 8 * u, count, vector, second);
    }
  }
}

#define ROPE(T)                                                                                           \
  ENTRY(256, rope_##T, T* x, int ldX, const f32* table, const int* counters, const int* keyStart,          \
        int tokensPerSequence, int n, int heads, int headDim) {                                            \
    rope<T>(x, ldX, table, counters, keyStart, tokensPerSequence, n, heads, headDim);                     \
  }
FOR_ACTIVATIONS(ROPE)
