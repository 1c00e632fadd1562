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
// random_uniform rows [firstRow, firstRow + n) of weight from as many rows of cuRAND's uniforms u in (0, 1], dense fp32:
//                width · (u - 1/2) + offset. Grid and block as quantize. Memory: 4 bytes an element read, weight written.
//
// Memory of the others: written once, nothing read. About 20 integer instructions an element: several times faster than
// the bus.
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

template <class W>
DEVICE void uniform_rows(W* weight, f16* scales, float weightScale, int firstRow, const f32* uniforms, float width,
                         float offset, int n, int columns) {
  bool vector = rows_aligned(uniforms, columns);
  int units = 4 * blocks_per_row(columns);
  // Whole warps go round, as in quantize.
  for (int base = blockIdx.x * 256; base < units; base += 256 * gridDim.x) {
    int u = base + threadIdx.x;
    for (int r = blockIdx.y; r < n; r += gridDim.y) {
      float v[8];
      int count = u < units ? columns - 8 * u : 0;
      load8(uniforms + (size_t)r * columns + (count > 0 ? 8 * u : 0), count, vector, v);
      UNROLL for (int i = 0; i < 8; i++) {
        v[i] = i < count ? __fadd_rn(__fmul_rn(__fadd_rn(v[i], -0.5f), width), offset) : 0.0f;
      }
      store_unit(weight, scales, weightScale, columns, (size_t)firstRow + r, u, v);
    }
  }
}

#define RANDOM_UNIFORM(W, unused)                                                                                 \
  ENTRY(256, random_uniform_##W, W* weight, f16* scales, float weightScale, int firstRow, const f32* uniforms,     \
        float width, float offset, int n, int columns) {                                                          \
    uniform_rows<W>(weight, scales, weightScale, firstRow, uniforms, width, offset, n, columns);                  \
  }
FOR_WEIGHTS(RANDOM_UNIFORM, f32)

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
