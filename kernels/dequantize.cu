// targets: sm_75 sm_80
//
// out[r] = weight[firstRow + r] as plain numbers, the matrix' own factor included: a panel of a quantised matrix (or of
// one whose type is not the activations') for the library's product in the prefill. Variants: weight, out.
//
// weight as in weights.cuh, out [n, columns] strided. 256 threads, 8 elements a thread; grid (ceil(columns / 2048),
// rows), loops over both. Memory: weights read, panel written once. One rounding, to out's type.
#include "weights.cuh"

template <class W, class O>
DEVICE void dequantize(O* out, int ldOut, const W* weight, const f16* scales, float factor, int firstRow, int n,
                       int columns) {
  bool vector = rows_aligned(out, ldOut);
  for (int u = blockIdx.x * 256 + threadIdx.x; 8 * u < columns; u += 256 * gridDim.x) {
    for (int r = blockIdx.y; r < n; r += gridDim.y) {
      float v[8];
      load_unit(weight, scales, factor, columns, (size_t)firstRow + r, u, v);
      store8(out + (size_t)r * ldOut + 8 * u, columns - 8 * u, vector, v);
    }
  }
}

#define DEQUANTIZE(W, O)                                                                                          \
  ENTRY(256, dequantize_##W##_##O, O* out, int ldOut, const W* weight, const f16* scales, float weightScale,       \
        int firstRow, int n, int columns) {                                                                       \
    dequantize<W, O>(out, ldOut, weight, scales, weightScale, firstRow, n, columns);                              \
  }
FOR_WEIGHTS_AND_ACTIVATIONS(DEQUANTIZE)
