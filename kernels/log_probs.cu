// targets: sm_75
//
// out[r] = log softmax(logits[r])[ids[r]] = logit - max - log Σ exp(logit - max); NaN for an id out of range.
//
// logits fp32 [n, vocabulary] strided, ids int32 [n], out fp32 [n]. A block of 256 threads a row, grid n. Memory: the
// row is read twice, the second time mostly from the L2. fp32, the sum in a fixed order: 256 partial sums, then a tree.
#include "common.cuh"

ENTRY(256, log_probs, f32* out, const f32* logits, int ldLogits, const int* ids, int n, int vocabulary) {
  SHARED(float, scratch, 8);
  int r = blockIdx.x;
  if (r >= n) {
    return;  // a whole block
  }
  const f32* row = logits + (size_t)r * ldLogits;
  float largest = -kInfinity;
  for (int i = threadIdx.x; i < vocabulary; i += 256) {
    largest = fmaxf(largest, row[i]);
  }
  largest = block_reduce<256>(largest, Max{}, scratch);
  float sum = 0;
  for (int i = threadIdx.x; i < vocabulary; i += 256) {
    sum += expf(row[i] - largest);
  }
  sum = block_reduce<256>(sum, Sum{}, scratch);
  if (threadIdx.x == 0) {
    int id = ids[r];
    out[r] = id >= 0 && id < vocabulary ? row[id] - largest - logf(sum) : nan_value();
  }
}
