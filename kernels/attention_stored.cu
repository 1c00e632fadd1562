// targets: sm_75
//
// The plain path of attention, all scores in memory; claims M7 and C8 compare it with the tiled kernels. fp32 [n · nHeads,
// maxSeqLen], row r · nHeads + h; only the slots written so far (counters[SLOT] + T) are touched.
//
// attention_scores  q·k·scale (+ ALiBi). 64 packed rows × 64 keys a block, 256 threads with 4 × 4 each; grid (row tiles ·
//                   key tiles of maxSeqLen, nKvHeads, batch), tiles behind the last slot return at once. Q and K tiles
//                   of 64 × 16 through shared memory, converted to fp32 on the way.
// mask_scores       hidden keys to -inf; 256 threads a row, grid rows
// softmax           in place, a row of -inf alone to zeros; 256 threads a row, grid rows
// attention_values  scores·V. 64 packed rows × 64 elements a block, 4 × 4 a thread, over 16 keys at a time; grid (row
//                   tiles · element tiles of headDim, nKvHeads, batch)
//
// fp32 FMA throughout, any types of q, out and caches (0 f32, 1 f16, 2 bf16). Memory: the scores are written once and
// read or written five times more: that is the point of the comparison.
#include "attention.cuh"

constexpr int kTile = 64;
constexpr int kDepth = 16;
constexpr int kTileStride = kTile + 4;

// c[4][4] += a[depth][rows 4y…]ᵀ · b[depth][columns 4x…], both in shared memory.
DEVICE void multiply_tiles(const float* a, const float* b, float (&c)[4][4]) {
  int y = threadIdx.x / 16;
  int x = threadIdx.x % 16;
  UNROLL for (int d = 0; d < kDepth; d++) {
    float4 p = load_vector<float4>(a + d * kTileStride + 4 * y);
    float4 q = load_vector<float4>(b + d * kTileStride + 4 * x);
    float rows[4] = {p.x, p.y, p.z, p.w};
    float columns[4] = {q.x, q.y, q.z, q.w};
    UNROLL for (int i = 0; i < 4; i++) {
      UNROLL for (int j = 0; j < 4; j++) {
        c[i][j] += rows[i] * columns[j];
      }
    }
  }
}

ENTRY(256, attention_scores, float* scores, const void* q, int ldQ, int qType, const void* kCache, int kvType,
      const int* counters, int batch, int tokensPerSequence, int nHeads, int nKvHeads, int headDim, float scale,
      int alibi, int maxSeqLen) {
  SHARED(float, qTile, kDepth * kTileStride);
  SHARED(float, keyTile, kDepth * kTileStride);
  Attention a = {counters, nullptr, nullptr, tokensPerSequence, nHeads, nKvHeads, headDim, scale,
                 0,        0,       alibi,   maxSeqLen};
  int keyTiles = (maxSeqLen + kTile - 1) / kTile;
  int firstRow = blockIdx.x / keyTiles * kTile;
  int firstKey = blockIdx.x % keyTiles * kTile;
  int kvHead = blockIdx.y;
  int sequence = blockIdx.z;
  int rows = tokensPerSequence * a.group() - firstRow;
  int keys = a.keys() - firstKey;
  if (keys <= 0 || sequence >= batch) {
    return;  // a whole block
  }
  float c[4][4] = {};
  for (int base = 0; base < headDim; base += kDepth) {
    __syncthreads();
    for (int i = threadIdx.x; i < kTile * kDepth; i += 256) {
      int r = i / kDepth;
      int d = i % kDepth;
      bool column = base + d < headDim;
      bool inQ = r < rows && column;
      bool inK = r < keys && column;
      size_t atQ = inQ ? a.token_row(sequence, firstRow + r) * ldQ +
                             (size_t)a.head(kvHead, firstRow + r) * headDim + base + d
                       : 0;
      size_t atK = inK ? a.cache_row(sequence, kvHead, firstKey + r) * headDim + base + d : 0;
      qTile[d * kTileStride + r] = inQ ? load_typed(q, qType, atQ) : 0.0f;
      keyTile[d * kTileStride + r] = inK ? load_typed(kCache, kvType, atK) : 0.0f;
    }
    __syncthreads();
    multiply_tiles(qTile, keyTile, c);
  }
  UNROLL for (int i = 0; i < 4; i++) {
    int p = firstRow + threadIdx.x / 16 * 4 + i;
    if (p - firstRow >= rows) {
      continue;
    }
    int head = a.head(kvHead, p);
    float slope = alibi ? alibi_slope(head, nHeads) : 0.0f;
    float* row = scores + (a.token_row(sequence, p) * nHeads + head) * maxSeqLen;
    UNROLL for (int j = 0; j < 4; j++) {
      int key = firstKey + threadIdx.x % 16 * 4 + j;
      if (key - firstKey < keys) {
        row[key] = c[i][j] * scale + slope * (key - a.slot(p));
      }
    }
  }
}

ENTRY(256, mask_scores, float* scores, const int* counters, const int* keyStart, const u8* mask, int tokensPerSequence,
      int rows, int nHeads, int causal, int window, int maxSeqLen) {
  Attention a = {counters, keyStart, mask, tokensPerSequence, nHeads, 1, 0, 0, causal, window, 0, maxSeqLen};
  int r = blockIdx.x;
  if (r >= rows) {
    return;
  }
  int token = r / nHeads;
  int start = keyStart[token / tokensPerSequence];
  int query = counters[kSlot] + token % tokensPerSequence;
  float* row = scores + (size_t)r * maxSeqLen;
  for (int j = threadIdx.x; j < a.keys(); j += 256) {
    if (!a.sees(start, query, j)) {
      row[j] = -kInfinity;
    }
  }
}

ENTRY(256, softmax, float* scores, const int* counters, int tokensPerSequence, int rows, int maxSeqLen) {
  SHARED(float, scratch, 8);
  int r = blockIdx.x;
  if (r >= rows) {
    return;
  }
  int keys = counters[kSlot] + tokensPerSequence;
  keys = keys < maxSeqLen ? keys : maxSeqLen;
  float* row = scores + (size_t)r * maxSeqLen;
  float maximum = -kInfinity;
  for (int j = threadIdx.x; j < keys; j += 256) {
    maximum = fmaxf(maximum, row[j]);
  }
  float shift = finite_or_zero(block_reduce<256>(maximum, Max{}, scratch));
  float sum = 0;
  for (int j = threadIdx.x; j < keys; j += 256) {
    float weight = expf(row[j] - shift);
    row[j] = weight;
    sum += weight;
  }
  sum = block_reduce<256>(sum, Sum{}, scratch);
  float inverse = sum == 0 ? 0.0f : 1.0f / sum;
  for (int j = threadIdx.x; j < keys; j += 256) {
    row[j] *= inverse;
  }
}

ENTRY(256, attention_values, void* out, int ldOut, int outType, const float* scores, const void* vCache, int kvType,
      const int* counters, int batch, int tokensPerSequence, int nHeads, int nKvHeads, int headDim, int maxSeqLen) {
  SHARED(float, pTile, kDepth * kTileStride);
  SHARED(float, vTile, kDepth * kTileStride);
  Attention a = {counters, nullptr, nullptr, tokensPerSequence, nHeads, nKvHeads, headDim, 0, 0, 0, 0, maxSeqLen};
  int dimTiles = (headDim + kTile - 1) / kTile;
  int firstRow = blockIdx.x / dimTiles * kTile;
  int firstDim = blockIdx.x % dimTiles * kTile;
  int kvHead = blockIdx.y;
  int sequence = blockIdx.z;
  int rows = tokensPerSequence * a.group() - firstRow;
  int keys = a.keys();
  if (sequence >= batch) {
    return;
  }
  float c[4][4] = {};
  for (int base = 0; base < keys; base += kDepth) {
    __syncthreads();
    for (int i = threadIdx.x; i < kTile * kDepth; i += 256) {
      int r = i / kDepth;  // neighbouring lanes read neighbouring scores …
      int j = i % kDepth;
      int p = firstRow + r;
      bool inside = r < rows && base + j < keys;
      size_t at =
          inside ? (a.token_row(sequence, p) * nHeads + a.head(kvHead, p)) * maxSeqLen + base + j : 0;
      pTile[j * kTileStride + r] = inside ? scores[at] : 0.0f;
      int key = i / kTile;  // … and neighbouring elements of V
      int d = i % kTile;
      inside = base + key < keys && firstDim + d < headDim;
      at = inside ? a.cache_row(sequence, kvHead, base + key) * headDim + firstDim + d : 0;
      vTile[key * kTileStride + d] = inside ? load_typed(vCache, kvType, at) : 0.0f;
    }
    __syncthreads();
    multiply_tiles(pTile, vTile, c);
  }
  UNROLL for (int i = 0; i < 4; i++) {
    int p = firstRow + threadIdx.x / 16 * 4 + i;
    if (p - firstRow >= rows) {
      continue;
    }
    size_t at = a.token_row(sequence, p) * ldOut + (size_t)a.head(kvHead, p) * headDim;
    UNROLL for (int j = 0; j < 4; j++) {
      int d = firstDim + threadIdx.x % 16 * 4 + j;
      if (d < headDim) {
        store_typed(out, outType, at + d, c[i][j]);
      }
    }
  }
}
