// targets: sm_80
//
// Both ends of a product of e4m3 matrices, which the library makes with factors of one:
//
// round_f8    out[r][c] = e4m3(x[r][c] / factor[r]), factor[r] being the smallest power of two with max |x[r]| ≤ 448 ·
//             factor[r]: so the largest element lies in (224, 448]. Variants: x.
// scale_rows  y[r][c] *= factor[r]. Variants: y.
//
// A power of two, because dividing and multiplying by it are then exact in fp32 and bf16: the only roundings are those to
// e4m3 and to the product's own type. It costs at most one bit at the small end, of 15 binary orders of magnitude that
// e4m3 holds without loss. A factor for each row (a token), because some tokens are a thousand times larger than others.
// A row that holds an infinity has the factor NaN, as has its whole product then; NaN stays NaN.
//
// round_f8: x [n, columns] strided, out e4m3 [n, columns] strided, factors fp32 [n]. 512 threads a row, grid n. Up to 8192
// columns stay in registers (16 elements a thread) between the maximum and the rounding, the rest is read again. Memory:
// x read, one byte an element and 4 a row written. Rounding takes about 15 integer instructions an element, less than
// the time of its bytes; e4m3 instructions would need PTX 8.1 where drivers of CUDA 12.0 know 8.0.
// scale_rows: y [n, columns] strided. 256 threads, 8 elements a thread; grid (ceil(columns / 2048), rows), loops over
// both. Memory: y read and written.
#include "common.cuh"

constexpr int kRoundThreads = 512;
constexpr int kRoundCached = 2;  // units of 8 elements a thread keeps

// 448 is 1.75 · 2^8. At least 2^-126, a normal number with a normal inverse: smaller rows only use less of the range.
DEVICE float f8_factor(float largest) {
  u32 bits = __float_as_uint(largest);
  int exponent = (int)(bits >> 23) - 8 + ((bits & 0x7fffff) > 0x600000 ? 1 : 0);
  return largest < kInfinity ? __uint_as_float((u32)(exponent < 1 ? 1 : exponent) << 23) : nan_value();
}

DEVICE float inverse_power(float factor) { return __uint_as_float(0x7f000000u - __float_as_uint(factor)); }

DEVICE float largest_of(const float (&v)[8], float largest) {
  UNROLL for (int i = 0; i < 8; i++) {
    largest = fmaxf(largest, fabsf(v[i]));
  }
  return largest;
}

DEVICE u32 round_quad(const float* v, float inverse) {
  u32 word = 0;
  UNROLL for (int i = 0; i < 4; i++) {
    word |= (u32)from_float<f8>(v[i] * inverse).bits << 8 * i;
  }
  return word;
}

DEVICE void store_rounded(f8* out, int count, bool vector, const float (&v)[8], float inverse) {
  uint2 codes = {round_quad(v, inverse), round_quad(v + 4, inverse)};
  if (vector && count >= 8) {
    store_vector(out, codes);
  } else {
    UNROLL for (int i = 0; i < 8; i++) {
      if (i < count) {
        out[i].bits = (u8)((i < 4 ? codes.x : codes.y) >> 8 * (i % 4));
      }
    }
  }
}

template <class X>
DEVICE void round_row(f8* out, int ldOut, f32* factors, const X* x, int ldX, int columns) {
  SHARED(float, scratch, kRoundThreads / 32);
  bool vector = rows_aligned(x, ldX) && rows_aligned(out, ldOut);
  x += (size_t)blockIdx.x * ldX;
  out += (size_t)blockIdx.x * ldOut;
  float cache[kRoundCached][8];
  float largest = 0;
  UNROLL for (int k = 0; k < kRoundCached; k++) {
    int u = threadIdx.x + k * kRoundThreads;
    if (8 * u < columns) {
      load8(x + 8 * u, columns - 8 * u, vector, cache[k]);
      largest = largest_of(cache[k], largest);
    }
  }
  for (int u = threadIdx.x + kRoundCached * kRoundThreads; 8 * u < columns; u += kRoundThreads) {
    float v[8];
    load8(x + 8 * u, columns - 8 * u, vector, v);
    largest = largest_of(v, largest);
  }
  float factor = f8_factor(block_reduce<kRoundThreads>(largest, Max{}, scratch));
  float inverse = factor == factor ? inverse_power(factor) : factor;
  UNROLL for (int k = 0; k < kRoundCached; k++) {
    int u = threadIdx.x + k * kRoundThreads;
    if (8 * u < columns) {
      store_rounded(out + 8 * u, columns - 8 * u, vector, cache[k], inverse);
    }
  }
  for (int u = threadIdx.x + kRoundCached * kRoundThreads; 8 * u < columns; u += kRoundThreads) {
    float v[8];
    load8(x + 8 * u, columns - 8 * u, vector, v);
    store_rounded(out + 8 * u, columns - 8 * u, vector, v, inverse);
  }
  if (threadIdx.x == 0) {
    factors[blockIdx.x] = factor;
  }
}

template <class Y>
DEVICE void scale_rows(Y* y, int ldY, const f32* factors, int n, int columns) {
  bool vector = rows_aligned(y, ldY);
  for (int c = 8 * (blockIdx.x * 256 + threadIdx.x); c < columns; c += 8 * 256 * gridDim.x) {
    for (int r = blockIdx.y; r < n; r += gridDim.y) {
      Y* at = y + (size_t)r * ldY + c;
      float factor = factors[r];
      float v[8];
      load8(at, columns - c, vector, v);
      UNROLL for (int i = 0; i < 8; i++) {
        v[i] *= factor;
      }
      store8(at, columns - c, vector, v);
    }
  }
}

#define ROUND_F8(X)                                                                                  \
  ENTRY(512, round_f8_##X, f8* out, int ldOut, f32* factors, const X* x, int ldX, int columns) {          \
    round_row(out, ldOut, factors, x, ldX, columns);                                                 \
  }
FOR_ACTIVATIONS(ROUND_F8)

#define SCALE_ROWS(Y)                                                                  \
  ENTRY(256, scale_rows_##Y, Y* y, int ldY, const f32* factors, int n, int columns) { \
    scale_rows(y, ldY, factors, n, columns);                                          \
  }
FOR_ACTIVATIONS(SCALE_ROWS)
