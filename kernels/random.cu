// targets: sm_75
//
// Random weights where they are needed: element i of a tensor is a function of (key, i) alone, in integer arithmetic,
// the same bits as assay.checkpoint.RandomWeights. h = SplitMix64's finaliser of key + i·γ; the sum of its four 16-bit
// quarters less 131070, times `factor`, plus `offset`.
//
// random         rows [firstRow, firstRow + n) of weight, whose elements are firstElement … in the generated tensor, in
//                a storage type, divided by weightScale first. Grid and block as quantize.
// random_absmax  result = max(result, |element|) over `count` elements; result begins at 0. 256 threads, any grid.
//
// Memory: written once, nothing read. About 20 integer instructions an element: several times faster than the bus.
#include "weights.cuh"

constexpr u64 kGamma = 0x9e3779b97f4a7c15ull;

DEVICE float random_element(u64 key, u64 index, float factor, float offset) {
  u64 z = key + index * kGamma;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ z >> 27) * 0x94d049bb133111ebull;
  z = z ^ z >> 31;
  int sum = (int)(z & 0xffff) + (int)(z >> 16 & 0xffff) + (int)(z >> 32 & 0xffff) + (int)(z >> 48) - 131070;
  return __fadd_rn(__fmul_rn((float)sum, factor), offset);
}

template <class W>
DEVICE void random_rows(W* weight, f16* scales, float weightScale, int firstRow, u64 key, u64 firstElement,
                        float factor, float offset, int n, int columns) {
  int units = 4 * blocks_per_row(columns);
  for (int base = blockIdx.x * 256; base < units; base += 256 * gridDim.x) {
    int u = base + threadIdx.x;
    for (int r = blockIdx.y; r < n; r += gridDim.y) {
      u64 first = firstElement + (u64)r * columns + 8 * (u64)u;
      float v[8];
      UNROLL for (int i = 0; i < 8; i++) {
        v[i] = 8 * u + i < columns ? random_element(key, first + i, factor, offset) : 0.0f;
      }
      store_unit(weight, scales, weightScale, columns, (size_t)firstRow + r, u, v);
    }
  }
}

#define RANDOM(W, unused)                                                                                          \
  ENTRY(256, random_##W, W* weight, f16* scales, float weightScale, int firstRow, u64 key, u64 firstElement,        \
        float factor, float offset, int n, int columns) {                                                          \
    random_rows<W>(weight, scales, weightScale, firstRow, key, firstElement, factor, offset, n, columns);          \
  }
FOR_WEIGHTS(RANDOM, f32)

ENTRY(256, random_absmax, int* result, u64 key, u64 firstElement, float factor, float offset, i64 count) {
  SHARED(float, scratch, 8);
  float largest = 0;
  for (i64 i = (i64)blockIdx.x * 256 + threadIdx.x; i < count; i += (i64)256 * gridDim.x) {
    largest = fmaxf(largest, fabsf(random_element(key, firstElement + (u64)i, factor, offset)));
  }
  largest = block_reduce<256>(largest, Max{}, scratch);
  if (threadIdx.x == 0) {
    atomicMax(result, __float_as_int(largest));
  }
}
