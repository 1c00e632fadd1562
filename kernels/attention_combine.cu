// targets: sm_75
//
// Second phase of attention_decode.cuh: out = Σ 2^(max_i - max) · values_i / Σ 2^(max_i - max) · sum_i over the splits
// of the keys; zeros where no key was visible.
//
// partials fp32 [batch, nHeads, splits, headDim + 2]: maximum (in units of log 2), sum, values. out [batch, nHeads ·
// headDim] strided. 128 threads; grid (nHeads, batch); at most 64 splits. Memory: partials read once, a few MB at most.
#include "attention.cuh"

constexpr int kCombineThreads = 128;
constexpr int kMaxSplits = 64;

template <class T>
DEVICE void combine(T* out, int ldOut, const float* partials, int nHeads, int headDim, int splits) {
  SHARED(float, weights, kMaxSplits);
  int head = blockIdx.x;
  int sequence = blockIdx.y;
  const float* p = partials + ((size_t)sequence * nHeads + head) * splits * (headDim + 2);
  float maximum = -kInfinity;
  for (int i = 0; i < splits; i++) {
    maximum = fmaxf(maximum, p[(size_t)i * (headDim + 2)]);
  }
  if (threadIdx.x < (u32)splits) {
    weights[threadIdx.x] = exp2f(p[(size_t)threadIdx.x * (headDim + 2)] - finite_or_zero(maximum));
  }
  __syncthreads();
  float sum = 0;
  for (int i = 0; i < splits; i++) {
    sum += weights[i] * p[(size_t)i * (headDim + 2) + 1];
  }
  float inverse = sum == 0 ? 0.0f : 1.0f / sum;
  for (int d = threadIdx.x; d < headDim; d += kCombineThreads) {
    float value = 0;
    for (int i = 0; i < splits; i++) {
      value += weights[i] * p[(size_t)i * (headDim + 2) + 2 + d];
    }
    round_to(value * inverse, out[(size_t)sequence * ldOut + (size_t)head * headDim + d]);
  }
}

#define COMBINE(T)                                                                                              \
  ENTRY(128, attention_combine_##T, T* out, int ldOut, const float* partials, int nHeads, int headDim, int splits) { \
    combine(out, ldOut, partials, nHeads, headDim, splits);                                                      \
  }
FOR_ACTIVATIONS(COMBINE)
