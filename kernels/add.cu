// targets: sm_75 sm_80
//
// x[r][c] += delta[r][c]. Variants: type of x, type of delta.
//
// x, delta [n, columns], both strided. 256 threads, 8 elements a thread; grid (ceil(columns / 2048), rows), rows beyond
// 65535 by a loop. Memory: x read and written, delta read once. The sum is made in fp32 and rounded once.
#include "common.cuh"

template <class X, class D>
DEVICE void add(X* x, int ldX, const D* delta, int ldDelta, int n, int columns) {
  bool vector = rows_aligned(x, ldX) && rows_aligned(delta, ldDelta);
  for (int c = 8 * (blockIdx.x * 256 + threadIdx.x); c < columns; c += 8 * 256 * gridDim.x) {
    for (int r = blockIdx.y; r < n; r += gridDim.y) {
      X* at = x + (size_t)r * ldX + c;
      float v[8], d[8];
      load8(at, columns - c, vector, v);
      load8(delta + (size_t)r * ldDelta + c, columns - c, vector, d);
      UNROLL for (int i = 0; i < 8; i++) {
        v[i] += d[i];
      }
      store8(at, columns - c, vector, v);
    }
  }
}

#define ADD(X, D)                                                                                \
  ENTRY(256, add_##X##_##D, X* x, int ldX, const D* delta, int ldDelta, int n, int columns) {     \
    add<X, D>(x, ldX, delta, ldDelta, n, columns);                                               \
  }
FOR_RESIDUAL(ADD)
