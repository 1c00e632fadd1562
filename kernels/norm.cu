// targets: sm_75 sm_80
//
// RMSNorm    out = x / sqrt(mean(x²) + eps) · gain (+ bias)
// LayerNorm  out = (x - mean) / sqrt(variance + eps) · gain + bias
// add_norm   x += delta first, x fp32: the residual stream is read and written once instead of twice
// head_norm  RMSNorm of each head's headDim elements, in place (Qwen 3)
//
// Row norms: x [n, columns] strided, gain and bias fp32 [columns], bias may be null. 512 threads a row, grid n. Up to
// 8192 columns stay in registers (16 elements a thread) between the passes, the rest is read again. Memory: x (delta)
// read, out (x) written once. fp32 sums in a fixed order; the variance is that of the centred values, in a second pass:
// E[x²] - E[x]² in fp32 would lose all digits where the mean is large. One row of a decode step is one block on one SM,
// bound by latency: hence many threads with few elements rather than the other way round.
//
// head_norm: a warp a head, 4 heads a block, grid ceil(n · heads / 4).
#include "common.cuh"

constexpr int kNormThreads = 512;
constexpr int kCached = 2;  // units of 8 elements a thread keeps

// Calls f(unit, values) for every unit of this thread: the cached ones, then the rest, read again from x.
template <class X, class F>
DEVICE void each_unit(const X* x, int columns, bool vector, float (&cache)[kCached][8], F f) {
  UNROLL for (int k = 0; k < kCached; k++) {
    int u = threadIdx.x + k * kNormThreads;
    if (8 * u < columns) {
      f(u, cache[k]);
    }
  }
  for (int u = threadIdx.x + kCached * kNormThreads; 8 * u < columns; u += kNormThreads) {
    float v[8];
    load8(x + 8 * u, columns - 8 * u, vector, v);
    f(u, v);
  }
}

template <bool kLayer, class X, class O>
DEVICE void normalize(O* out, const X* x, const f32* gain, const f32* bias, float eps, int columns, bool vector,
                      float (&cache)[kCached][8], float* scratch) {
  float mean = 0;
  if (kLayer) {
    float sum = 0;
    each_unit(x, columns, vector, cache, [&](int, float(&v)[8]) {
      UNROLL for (int i = 0; i < 8; i++) {
        sum += v[i];  // 0 behind the end
      }
    });
    mean = block_reduce<kNormThreads>(sum, Sum{}, scratch) / columns;
  }
  float squares = 0;
  each_unit(x, columns, vector, cache, [&](int u, float(&v)[8]) {
    UNROLL for (int i = 0; i < 8; i++) {
      float centred = 8 * u + i < columns ? v[i] - mean : 0.0f;
      squares += centred * centred;
    }
  });
  float scale = 1.0f / sqrtf(block_reduce<kNormThreads>(squares, Sum{}, scratch) / columns + eps);
  each_unit(x, columns, vector, cache, [&](int u, float(&v)[8]) {
    float g[8], b[8], y[8];
    load8(gain + 8 * u, columns - 8 * u, vector, g);
    UNROLL for (int i = 0; i < 8; i++) {
      b[i] = 0;
    }
    if (bias != nullptr) {
      load8(bias + 8 * u, columns - 8 * u, vector, b);
    }
    UNROLL for (int i = 0; i < 8; i++) {
      y[i] = (v[i] - mean) * scale * g[i] + b[i];
    }
    store8(out + 8 * u, columns - 8 * u, vector, y);
  });
}

DEVICE bool parameters_aligned(const f32* gain, const f32* bias) { return is_aligned(gain, 16) && is_aligned(bias, 16); }

template <bool kLayer, class X, class O>
DEVICE void norm_row(O* out, int ldOut, const X* x, int ldX, const f32* gain, const f32* bias, float eps, int columns) {
  SHARED(float, scratch, kNormThreads / 32);
  bool vector = rows_aligned(out, ldOut) && rows_aligned(x, ldX) && parameters_aligned(gain, bias);
  x += (size_t)blockIdx.x * ldX;
  float cache[kCached][8];
  UNROLL for (int k = 0; k < kCached; k++) {
    int u = threadIdx.x + k * kNormThreads;
    if (8 * u < columns) {
      load8(x + 8 * u, columns - 8 * u, vector, cache[k]);
    }
  }
  normalize<kLayer>(out + (size_t)blockIdx.x * ldOut, x, gain, bias, eps, columns, vector, cache, scratch);
}

template <bool kLayer, class T>
DEVICE void add_norm_row(T* out, int ldOut, f32* x, int ldX, const T* delta, int ldDelta, const f32* gain,
                         const f32* bias, float eps, int columns) {
  SHARED(float, scratch, kNormThreads / 32);
  bool vector = rows_aligned(out, ldOut) && rows_aligned(x, ldX) && rows_aligned(delta, ldDelta) &&
                parameters_aligned(gain, bias);
  x += (size_t)blockIdx.x * ldX;
  delta += (size_t)blockIdx.x * ldDelta;
  float cache[kCached][8];
  auto add = [&](int u, float(&v)[8]) {
    float d[8];
    load8(x + 8 * u, columns - 8 * u, vector, v);
    load8(delta + 8 * u, columns - 8 * u, vector, d);
    UNROLL for (int i = 0; i < 8; i++) {
      v[i] += d[i];
    }
    store8(x + 8 * u, columns - 8 * u, vector, v);
  };
  UNROLL for (int k = 0; k < kCached; k++) {
    int u = threadIdx.x + k * kNormThreads;
    if (8 * u < columns) {
      add(u, cache[k]);
    }
  }
  // What does not fit the registers is read again by the thread that wrote it.
  for (int u = threadIdx.x + kCached * kNormThreads; 8 * u < columns; u += kNormThreads) {
    float v[8];
    add(u, v);
  }
  normalize<kLayer>(out + (size_t)blockIdx.x * ldOut, static_cast<const f32*>(x), gain, bias, eps, columns, vector,
                    cache, scratch);
}

template <class T>
DEVICE void head_norm(T* x, int ldX, const f32* gain, float eps, int n, int heads, int headDim) {
  i64 head = (i64)blockIdx.x * 4 + threadIdx.x / 32;
  if (head >= (i64)n * heads) {
    return;  // a whole warp
  }
  int lane = threadIdx.x % 32;
  T* at = x + (size_t)(head / heads) * ldX + (size_t)(head % heads) * headDim;
  float squares = 0;
  for (int i = lane; i < headDim; i += 32) {
    float v = to_float(at[i]);
    squares += v * v;
  }
  float scale = 1.0f / sqrtf(warp_reduce(squares, Sum{}) / headDim + eps);
  for (int i = lane; i < headDim; i += 32) {
    round_to(to_float(at[i]) * scale * gain[i], at[i]);
  }
}

#define NORM(X, O)                                                                                                  \
  ENTRY(512, norm_rms_##X##_##O, O* out, int ldOut, const X* x, int ldX, const f32* gain, const f32* bias, float eps, \
        int columns) {                                                                                              \
    norm_row<false>(out, ldOut, x, ldX, gain, bias, eps, columns);                                                  \
  }                                                                                                                 \
  ENTRY(512, norm_layer_##X##_##O, O* out, int ldOut, const X* x, int ldX, const f32* gain, const f32* bias,         \
        float eps, int columns) {                                                                                   \
    norm_row<true>(out, ldOut, x, ldX, gain, bias, eps, columns);                                                   \
  }
FOR_RESIDUAL(NORM)

#define ADD_NORM(T)                                                                                               \
  ENTRY(512, add_norm_rms_##T, T* out, int ldOut, f32* x, int ldX, const T* delta, int ldDelta, const f32* gain,   \
        const f32* bias, float eps, int columns) {                                                                \
    add_norm_row<false>(out, ldOut, x, ldX, delta, ldDelta, gain, bias, eps, columns);                            \
  }                                                                                                               \
  ENTRY(512, add_norm_layer_##T, T* out, int ldOut, f32* x, int ldX, const T* delta, int ldDelta, const f32* gain, \
        const f32* bias, float eps, int columns) {                                                                \
    add_norm_row<true>(out, ldOut, x, ldX, delta, ldDelta, gain, bias, eps, columns);                             \
  }
FOR_ACTIVATIONS(ADD_NORM)

#define HEAD_NORM(T)                                                                                    \
  ENTRY(128, head_norm_##T, T* x, int ldX, const f32* gain, float eps, int n, int heads, int headDim) { \
    head_norm<T>(x, ldX, gain, eps, n, heads, headDim);                                                \
  }
FOR_ACTIVATIONS(HEAD_NORM)
