// targets: sm_75 sm_80
//
// gated: out = act(x[r][c]) · x[r][columns + c], x [n, 2·columns] = [gate | up]; plain: out = act(x[r][c]).
//
// out [n, columns]; both strided. 256 threads, 8 elements a thread; grid (ceil(columns / 2048), rows), rows beyond 65535
// by a loop. Memory: x read, out written once. fp32 inside, rounded once. The function is chosen by a branch that all
// threads take the same way: as a template it would be 7 times the code for no measurable gain in a kernel bound by
// memory.
#include "activation.cuh"

template <class T>
DEVICE void activation_rows(T* out, int ldOut, const T* x, int ldX, int activation, int gated, int n, int columns) {
  bool vector = rows_aligned(out, ldOut) && rows_aligned(x, ldX) && (!gated || is_aligned(x + columns, 16));
  for (int c = 8 * (blockIdx.x * 256 + threadIdx.x); c < columns; c += 8 * 256 * gridDim.x) {
    for (int r = blockIdx.y; r < n; r += gridDim.y) {
      const T* at = x + (size_t)r * ldX + c;
      float v[8], up[8];
      load8(at, columns - c, vector, v);
      if (gated) {
        load8(at + columns, columns - c, vector, up);
      }
      UNROLL for (int i = 0; i < 8; i++) {
        v[i] = activate(activation, v[i]);
        v[i] = gated ? v[i] * up[i] : v[i];
      }
      store8(out + (size_t)r * ldOut + c, columns - c, vector, v);
    }
  }
}

#define ACTIVATION(T)                                                                                              \
  ENTRY(256, activation_##T, T* out, int ldOut, const T* x, int ldX, int activation, int gated, int n, int columns) { \
    activation_rows<T>(out, ldOut, x, ldX, activation, gated, n, columns);                                          \
  }
FOR_ACTIVATIONS(ACTIVATION)
