// targets: sm_75 sm_80
//
// convert    out[r][c] = x[r][c] in another type, rounded to nearest even. Variants: from, to.
// half_open  x = 1 - x: cuRAND's uniforms lie in (0, 1], sampling wants [0, 1). Exact: they are multiples of 2^-32
//            rounded to fp32, and 1 - x rounds up to at most 1 for x below 2^-25, which becomes the next below 1.
//
// convert: x, out [n, columns] strided; 256 threads, 8 elements a thread, grid (ceil(columns / 2048), rows), loops over
// both. half_open: a thread an element, grid ceil(count / 256).
#include "common.cuh"

template <class X, class O>
DEVICE void convert(O* out, int ldOut, const X* x, int ldX, int n, int columns) {
  bool vector = rows_aligned(out, ldOut) && rows_aligned(x, ldX);
  for (int c = 8 * (blockIdx.x * 256 + threadIdx.x); c < columns; c += 8 * 256 * gridDim.x) {
    for (int r = blockIdx.y; r < n; r += gridDim.y) {
      float v[8];
      load8(x + (size_t)r * ldX + c, columns - c, vector, v);
      store8(out + (size_t)r * ldOut + c, columns - c, vector, v);
    }
  }
}

#define CONVERT(X, O)                                                                                    \
  ENTRY(256, convert_##X##_##O, O* out, int ldOut, const X* x, int ldX, int n, int columns) {            \
    convert(out, ldOut, x, ldX, n, columns);                                                             \
  }
FOR_ACTIVATION_PAIRS(CONVERT)

ENTRY(256, half_open, float* x, i64 count) {
  i64 i = (i64)blockIdx.x * 256 + threadIdx.x;
  if (i < count) {
    float y = 1.0f - x[i];
    x[i] = y < 1.0f ? y : 0.99999994f;
  }
}
