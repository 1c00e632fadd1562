// targets: sm_75
//
// quantize  weight[firstRow + r] = x[r] / weightScale in a storage type, bit for bit what assay.model.BlockFormat makes
//           on the host: a matrix that cuRAND filled never crosses the bus.
// absmax    result = max(result, |x[i]|), fp32; result begins at 0. For the one factor of an fp8 matrix.
//
// quantize: x fp32 [n, columns] strided, weight as in weights.cuh. 256 threads, 8 elements a thread, the four lanes of a
// quad share a block of q8 or q4; grid (ceil(columns rounded up to 32 / 2048), rows), loops over both. absmax: 256
// threads, any grid. Division and products round once each (no contraction), or the bits would differ.
#include "weights.cuh"

template <class W>
DEVICE void quantize(W* weight, f16* scales, float factor, int firstRow, const f32* x, int ldX, int n, int columns) {
  bool vector = rows_aligned(x, ldX);
  int units = 4 * blocks_per_row(columns);
  // Whole warps go round, for the sake of the shuffles within a block of 32 elements.
  for (int base = blockIdx.x * 256; base < units; base += 256 * gridDim.x) {
    int u = base + threadIdx.x;
    for (int r = blockIdx.y; r < n; r += gridDim.y) {
      float v[8];
      int count = u < units ? columns - 8 * u : 0;
      load8(x + (size_t)r * ldX + (count > 0 ? 8 * u : 0), count, vector, v);
      store_unit(weight, scales, factor, columns, (size_t)firstRow + r, u, v);
    }
  }
}

#define QUANTIZE(W, unused)                                                                                     \
  ENTRY(256, quantize_##W, W* weight, f16* scales, float weightScale, int firstRow, const f32* x, int ldX, int n, \
        int columns) {                                                                                          \
    quantize<W>(weight, scales, weightScale, firstRow, x, ldX, n, columns);                                     \
  }
FOR_WEIGHTS(QUANTIZE, f32)

ENTRY(256, absmax, int* result, const f32* x, i64 count) {
  SHARED(float, scratch, 8);
  float largest = 0;
  for (i64 i = (i64)blockIdx.x * 256 + threadIdx.x; i < count; i += (i64)256 * gridDim.x) {
    largest = fmaxf(largest, fabsf(x[i]));
  }
  largest = block_reduce<256>(largest, Max{}, scratch);
  if (threadIdx.x == 0) {
    atomicMax(result, __float_as_int(largest));  // of non-negative floats the bits have the same order
  }
}
