// targets: sm_75
//
// out = softmax(q·kᵀ·scale (+ ALiBi), masked)·v without stored scores: online softmax (Milakov and Gimelshein 2018) over
// tiles of 32 keys, in fp32 on CUDA cores, for any types and any headDim up to the variant's bound. For fp32, for rows
// that are not 16-byte aligned, for ALiBi and arbitrary masks, for every card; attention_mma.cuh is the fast one.
//
// q, out [batch · T, nHeads · headDim] strided, one type; caches [batch · nKvHeads · maxSeqLen, headDim], one type
// (types 0 f32, 1 f16, 2 bf16, chosen when a tile is loaded: one kernel for all). 256 threads; grid
// (ceil(T · group / rows), nKvHeads, batch); rows = 32, at headDim > 128 16. A warp owns 4 (2) rows: its lanes are the
// 32 keys of a tile for the scores and the headDim elements for the values, so softmax needs shuffles only.
// Shared (dynamic): Q rows, one tile that holds K and then V (stride headDim + 4: 16-byte loads of neighbouring keys
// meet different banks), the weights. Memory: K and V once per block, that is T · group / rows times, from the L2.
// fp32 throughout. A row that sees nothing is zeros; a NaN stays in its row: the running maximum skips it, the sum
// does not.
#include "attention.cuh"

constexpr int kTile = 32;
constexpr int kWeightStride = kTile + 4;

// A tile [rows, D] of fp32 from rows of any type; elements behind headDim and rows at or behind `count` are 0.
template <int D, int kStride>
DEVICE void load_tile(float* tile, const void* from, int type, size_t firstElement, size_t ld, int count, int rows,
                      int headDim) {
  for (int i = threadIdx.x; i < rows * D; i += 256) {
    int r = i / D;
    int d = i % D;
    bool inside = r < count && d < headDim;
    tile[r * kStride + d] = inside ? load_typed(from, type, firstElement + (size_t)r * ld + d) : 0.0f;
  }
}

DEVICE void load_row(const float* p, float (&v)[4]) {
  float4 x = load_vector<float4>(p);
  v[0] = x.x, v[1] = x.y, v[2] = x.z, v[3] = x.w;
}

DEVICE void load_row(const float* p, float (&v)[2]) {
  float2 x = load_vector<float2>(p);
  v[0] = x.x, v[1] = x.y;
}

template <int D, int R>
struct TiledRows {
  static constexpr int kWidth = D / 32 < 4 ? D / 32 : 4;  // neighbouring elements of a lane
  static constexpr int kParts = D / 32 / kWidth;
  float maximum[R];
  float sum[R];
  float value[R][kParts][kWidth];
};

template <int D, int R>
DEVICE void attend(void* out, int ldOut, const void* q, int ldQ, const void* kCache, const void* vCache, int qType,
                   int kvType, const Attention& a) {
  constexpr int kRows = 8 * R;
  constexpr int kStride = D + 4;
  DYNAMIC_SHARED(float, memory);
  float* qTile = memory;
  float* kvTile = qTile + kRows * D;
  float* weights = kvTile + kTile * kStride;
  int warp = threadIdx.x / 32;
  int lane = threadIdx.x % 32;
  int kvHead = blockIdx.y;
  int sequence = blockIdx.z;
  int firstRow = blockIdx.x * kRows;
  int rowsLeft = a.tokensPerSequence * a.group() - firstRow;
  int rows = rowsLeft < kRows ? rowsLeft : kRows;

  for (int i = threadIdx.x; i < kRows * D; i += 256) {
    int r = i / D;
    int d = i % D;
    int p = firstRow + r;
    bool inside = r < rows && d < a.headDim;
    size_t at = inside ? a.token_row(sequence, p) * ldQ + (size_t)a.head(kvHead, p) * a.headDim + d : 0;
    qTile[i] = inside ? load_typed(q, qType, at) : 0.0f;
  }
  TiledRows<D, R> state;
  float slope[R];
  int slot[R];
  UNROLL for (int r = 0; r < R; r++) {
    int p = firstRow + warp * R + r;
    int inside = warp * R + r < rows ? p : firstRow;
    slope[r] = a.alibi ? alibi_slope(a.head(kvHead, inside), a.nHeads) : 0.0f;
    slot[r] = a.slot(inside);
    state.maximum[r] = -kInfinity;
    state.sum[r] = 0;
    UNROLL for (int i = 0; i < state.kParts; i++) {
      UNROLL for (int j = 0; j < state.kWidth; j++) {
        state.value[r][i][j] = 0;
      }
    }
  }

  int start = a.keyStart[sequence];
  int begin = a.first_key(sequence, a.slot(firstRow));
  int end = a.end_key(a.slot(firstRow + rows - 1));
  for (int base = begin; base < end; base += kTile) {
    int count = end - base < kTile ? end - base : kTile;
    size_t element = a.cache_row(sequence, kvHead, base) * a.headDim;
    __syncthreads();  // the tile's last readers, and at first the writers of Q
    load_tile<D, kStride>(kvTile, kCache, kvType, element, a.headDim, count, kTile, a.headDim);
    __syncthreads();

    float score[R];
    UNROLL for (int r = 0; r < R; r++) {
      score[r] = 0;
    }
    const float* k = kvTile + lane * kStride;
    for (int d = 0; d < D; d += 4) {
      float4 x = load_vector<float4>(k + d);
      UNROLL for (int r = 0; r < R; r++) {
        float4 y = load_vector<float4>(qTile + (warp * R + r) * D + d);
        score[r] += x.x * y.x + x.y * y.y + x.z * y.z + x.w * y.w;
      }
    }
    UNROLL for (int r = 0; r < R; r++) {
      int j = base + lane;
      float s = -kInfinity;
      if (lane < count && a.sees(start, slot[r], j)) {
        s = score[r] * a.scale + slope[r] * (j - slot[r]);
      }
      float maximum = fmaxf(state.maximum[r], warp_reduce(s, Max{}));
      float shift = maximum == -kInfinity ? 0.0f : maximum;  // nothing seen yet: exp(-inf - 0) = 0
      float weight = expf(s - shift);
      float correction = expf(state.maximum[r] - shift);
      state.maximum[r] = maximum;
      state.sum[r] = state.sum[r] * correction + warp_reduce(weight, Sum{});
      weights[(warp * R + r) * kWeightStride + lane] = weight;
      UNROLL for (int i = 0; i < state.kParts; i++) {
        UNROLL for (int w = 0; w < state.kWidth; w++) {
          state.value[r][i][w] *= correction;
        }
      }
    }

    __syncthreads();  // all have read K
    load_tile<D, kStride>(kvTile, vCache, kvType, element, a.headDim, count, kTile, a.headDim);
    __syncthreads();
    for (int j = 0; j < kTile; j++) {
      float w[R];
      UNROLL for (int r = 0; r < R; r++) {
        w[r] = weights[(warp * R + r) * kWeightStride + j];
      }
      UNROLL for (int i = 0; i < state.kParts; i++) {
        float v[state.kWidth];
        load_row(kvTile + j * kStride + (i * 32 + lane) * state.kWidth, v);
        UNROLL for (int r = 0; r < R; r++) {
          UNROLL for (int e = 0; e < state.kWidth; e++) {
            state.value[r][i][e] += w[r] * v[e];
          }
        }
      }
    }
  }

  UNROLL for (int r = 0; r < R; r++) {
    int p = firstRow + warp * R + r;
    if (warp * R + r >= rows) {
      continue;
    }
    float inverse = state.sum[r] == 0 ? 0.0f : 1.0f / state.sum[r];
    size_t at = a.token_row(sequence, p) * ldOut + (size_t)a.head(kvHead, p) * a.headDim;
    UNROLL for (int i = 0; i < state.kParts; i++) {
      UNROLL for (int e = 0; e < state.kWidth; e++) {
        int d = (i * 32 + lane) * state.kWidth + e;
        if (d < a.headDim) {
          store_typed(out, qType, at + d, state.value[r][i][e] * inverse);
        }
      }
    }
  }
}

#define ATTENTION(D, R)                                                                                            \
  ENTRY_PER_SM(256, 2, attention_d##D, void* out, int ldOut, const void* q, int ldQ, const void* kCache, const void* vCache, \
        int qType, int kvType, const int* counters, const int* keyStart, const u8* mask, int batch,                 \
        int tokensPerSequence, int nHeads, int nKvHeads, int headDim, float scale, int causal, int window,          \
        int alibi, int maxSeqLen) {                                                                                \
    if (blockIdx.z < (u32)batch) {                                                                                 \
      attend<D, R>(out, ldOut, q, ldQ, kCache, vCache, qType, kvType,                                              \
                   Attention{counters, keyStart, mask, tokensPerSequence, nHeads, nKvHeads, headDim, scale,        \
                             causal, window, alibi, maxSeqLen});                                                   \
    }                                                                                                              \
  }
ATTENTION(64, 4)
ATTENTION(128, 4)
ATTENTION(256, 2)
