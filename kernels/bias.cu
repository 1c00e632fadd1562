// targets: sm_75 sm_80
//
// x[r][c] += bias[c].
//
// x [n, columns] strided, bias fp32 [columns]. 256 threads, 8 elements a thread; grid (ceil(columns / 2048), rows), rows
// beyond 65535 by a loop. Reads and writes x once: 2 · n · columns · sizeof(T) bytes; bias stays in the cache.
// The sum is made in fp32 and rounded once.
#include "common.cuh"

template <class T>
DEVICE void add_bias(T* x, int ldX, const f32* bias, int n, int columns) {
  bool vector = rows_aligned(x, ldX) && is_aligned(bias, 16);
  for (int c = 8 * (blockIdx.x * 256 + threadIdx.x); c < columns; c += 8 * 256 * gridDim.x) {
    float b[8];
    load8(bias + c, columns - c, vector, b);
    for (int r = blockIdx.y; r < n; r += gridDim.y) {
      T* at = x + (size_t)r * ldX + c;
      float v[8];
      load8(at, columns - c, vector, v);
      UNROLL for (int i = 0; i < 8; i++) {
        v[i] += b[i];
      }
      store8(at, columns - c, vector, v);
    }
  }
}

#define BIAS(T) \
  ENTRY(256, bias_##T, T* x, int ldX, const f32* bias, int n, int columns) { add_bias<T>(x, ldX, bias, n, columns); }
FOR_ACTIVATIONS(BIAS)
