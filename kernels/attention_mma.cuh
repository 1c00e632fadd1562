// out = softmax(q·kᵀ·scale, masked)·v on tensor cores for passes of several tokens: FlashAttention-2's scheme (Dao 2023)
// with mma.m16n8k16 of sm_80. Causal, window and padding masks; ALiBi and arbitrary masks are attention.cu's, and so are
// types that differ, headDim above 128 and rows that are not at multiples of 16 bytes (AttentionOps.usesTensorCores).
//
// q, out [batch · T, nHeads · headDim] strided, caches [batch · nKvHeads · maxSeqLen, headDim], all of the variant's type;
// headDim a multiple of 8, at most the variant's D (elements up to D are zeros in shared memory). 128 threads; grid
// (ceil(T · group / 128), nKvHeads, batch), the blocks with the most keys first. A block takes 128 packed rows (token,
// head of the group), so a group's heads share K and V without a copy; a warp takes 32 of them.
//
// Over tiles of 64 keys: S = Q·Kᵀ (a warp's 32 × 64 in registers), online softmax, O += P·V, where P is S rounded to the
// type, its registers serving as the next product's operand as they are. 32 rows a warp because each fragment of K and V
// read from shared memory then feeds two products: with 16 rows a shared memory of 128 bytes a clock would be as busy as
// the tensor cores. cp.async brings V while S is computed and the next K during softmax and P·V: two tiles, each in
// flight while the other is used, rather than two stages of both, so that two blocks fit on a multiprocessor at D = 128.
// Rows of shared memory are D + 8 elements apart: an odd number of 16-byte pieces, so the 8 rows of an ldmatrix meet 8
// different groups of banks (the host tests count conflicts: none).
//
// Shared (dynamic): 2 · (D + 8) · 256 bytes. Memory: Q and out once, K and V T · group / 128 times (half with causal),
// from the L2. Scores, maxima, sums and O in fp32; P rounded to the type (relative error up to 2^-8 and 2^-11), its sum
// taken before. A row that sees nothing is zeros; a NaN score stays in its row, but a NaN in V reaches all rows of its tile,
// for 0 · NaN is NaN.
//
// Hopper's wgmma (sm_90a) would be needed beyond about 2/3 of that card's peak; not written, since nobody could time it.
#pragma once
#include "attention.cuh"
#include "mma.cuh"

constexpr int kMmaThreads = 128;
constexpr int kMmaRows = 128;
constexpr int kMmaWarpRows = 32;

// Keys of a tile: with 64 at D = 128 scores and values together are more than 255 registers hold.
template <int D>
constexpr int kMmaKeys = D > 96 ? 48 : 64;

// One thread's pieces of 16 bytes of a tile of keys or values: always the same column, so that one address serves all.
template <class T, int D>
struct Pieces {
  static constexpr int kOfRow = D / 8;
  static constexpr int kRows = kMmaThreads / kOfRow;  // at once; with D = 80 and 96 8 threads have nothing to do
  int row;                                            // the first of them; behind all keys for none
  SharedAddress to;                                   // of the first, in the tile
  const T* from;                                      // of the first, in the cache

  DEVICE_OP void begin(SharedAddress tile, const T* firstKey, int headDim) {
    int d = threadIdx.x % kOfRow * 8;
    row = threadIdx.x / kOfRow;
    to = tile + 2 * (row * (D + 8) + d);
    from = firstKey + (d < headDim ? (size_t)row * headDim + d : 0);
    row = d < headDim ? row : 1 << 30;
  }

  // The tile's first `count` keys; zeros behind them and behind headDim.
  DEVICE_OP void copy(int count, int headDim) {
    if (threadIdx.x < kRows * kOfRow) {
      const T* at = from;
      UNROLL for (int i = 0; i < kMmaKeys<D>; i += kRows) {
        if (i + kRows <= kMmaKeys<D> || (int)threadIdx.x < (kMmaKeys<D> - i) * kOfRow) {
          copy_async16(to + 2 * i * (D + 8), at, row + i < count);
        }
        at += kRows * headDim;
      }
    }
    from += kMmaKeys<D> * headDim;
  }
};

// What a warp keeps of its 32 rows; [i][h] is row 16i + 8h + lane/4 of them.
template <int D>
struct MmaState {
  float maximum[2][2];  // of the unscaled scores
  float sum[2][2];      // this lane's part
  float out[2][D / 8][4];
};

// S = Q·Kᵀ of a warp's rows and the tile's keys; q and k: where this lane's ldmatrix rows begin.
template <class T, int D>
DEVICE void multiply_keys(float (&s)[2][kMmaKeys<D> / 8][4], SharedAddress q, SharedAddress k) {
  UNROLL for (int i = 0; i < 2; i++) {
    UNROLL for (int n = 0; n < kMmaKeys<D> / 8; n++) {
      s[i][n][0] = s[i][n][1] = s[i][n][2] = s[i][n][3] = 0;
    }
  }
  UNROLL for (int d = 0; d < D; d += 16) {
    u32 a[2][4];
    load_matrices(a[0], q + 2 * d);
    load_matrices(a[1], q + 2 * (16 * (D + 8) + d));
    UNROLL for (int n = 0; n < kMmaKeys<D> / 8; n += 2) {
      u32 b[4];
      load_matrices(b, k + 2 * (8 * n * (D + 8) + d));
      UNROLL for (int i = 0; i < 2; i++) {
        mma(s[i][n], a[i], b[0], b[1], T{});
        mma(s[i][n + 1], a[i], b[2], b[3], T{});
      }
    }
  }
}

// -inf for what a query does not see; `slots` are those of the warp's rows.
template <int N>
DEVICE void hide(float (&s)[2][N][4], const int* slots, int base, int end, const Attention& a) {
  int lane = threadIdx.x % 32;
  UNROLL for (int i = 0; i < 2; i++) {
    UNROLL for (int h = 0; h < 2; h++) {
      int query = slots[16 * i + 8 * h + lane / 4];
      int last = a.causal && query < end ? query : end - 1;
      int first = a.window > 0 ? query - a.window + 1 : base;
      UNROLL for (int n = 0; n < N; n++) {
        UNROLL for (int j = 0; j < 2; j++) {
          int key = base + 8 * n + lane % 4 * 2 + j;
          s[i][n][2 * h + j] = first <= key && key <= last ? s[i][n][2 * h + j] : -kInfinity;
        }
      }
    }
  }
}

// Scores to weights, and what was summed so far to the new maximum. `scale`: to powers of two, positive.
template <int D>
DEVICE void soften(MmaState<D>& state, float (&s)[2][kMmaKeys<D> / 8][4], float scale) {
  UNROLL for (int i = 0; i < 2; i++) {
    UNROLL for (int h = 0; h < 2; h++) {
      float maximum = state.maximum[i][h];
      UNROLL for (int n = 0; n < kMmaKeys<D> / 8; n++) {
        maximum = fmaxf(maximum, fmaxf(s[i][n][2 * h], s[i][n][2 * h + 1]));
      }
      maximum = fmaxf(maximum, __shfl_xor_sync(kAllLanes, maximum, 1));
      maximum = fmaxf(maximum, __shfl_xor_sync(kAllLanes, maximum, 2));
      float shift = finite_or_zero(maximum) * scale;
      float correction = exp2_fast(state.maximum[i][h] * scale - shift);
      state.maximum[i][h] = maximum;
      float sum = state.sum[i][h] * correction;
      UNROLL for (int n = 0; n < kMmaKeys<D> / 8; n++) {
        UNROLL for (int j = 2 * h; j < 2 * h + 2; j++) {
          s[i][n][j] = exp2_fast(s[i][n][j] * scale - shift);
          sum += s[i][n][j];
        }
      }
      state.sum[i][h] = sum;
      UNROLL for (int n = 0; n < D / 8; n++) {
        state.out[i][n][2 * h] *= correction;
        state.out[i][n][2 * h + 1] *= correction;
      }
    }
  }
}

// O += P·V.
template <class T, int D>
DEVICE void add_values(MmaState<D>& state, const float (&s)[2][kMmaKeys<D> / 8][4], SharedAddress v) {
  UNROLL for (int k = 0; k < kMmaKeys<D> / 8; k += 2) {
    __syncwarp();  // else assemblers fetch so far ahead that they spill
    u32 p[2][4];
    UNROLL for (int i = 0; i < 2; i++) {
      UNROLL for (int j = 0; j < 4; j++) {
        const float(&pair)[4] = s[i][k + j / 2];
        p[i][j] = pack_halves(pair[j % 2 * 2], pair[j % 2 * 2 + 1], T{});
      }
    }
    UNROLL for (int n = 0; n < D / 8; n += 2) {
      u32 b[4];
      load_matrices_transposed(b, v + 2 * (8 * k * (D + 8) + 8 * n));
      UNROLL for (int i = 0; i < 2; i++) {
        mma(state.out[i][n], p[i], b[0], b[1], T{});
        mma(state.out[i][n + 1], p[i], b[2], b[3], T{});
      }
    }
  }
}

template <class T, int D>
DEVICE void attend_mma(T* out, int ldOut, const T* q, int ldQ, const T* kCache, const T* vCache, const Attention& a) {
  constexpr int kStride = D + 8;
  constexpr int kChunks = D / 8;
  SHARED(int, slots, kMmaRows);
  DYNAMIC_SHARED(T, memory);
  T* qTile = memory;
  T* kTile = qTile + kMmaRows * kStride;
  T* vTile = kTile + kMmaKeys<D> * kStride;
  int warp = threadIdx.x / 32;
  int lane = threadIdx.x % 32;
  int kvHead = blockIdx.y;
  int sequence = blockIdx.z;
  int firstRow = (gridDim.x - 1 - blockIdx.x) * kMmaRows;
  int rowsLeft = a.tokensPerSequence * a.group() - firstRow;
  int rows = rowsLeft < kMmaRows ? rowsLeft : kMmaRows;
  int begin = a.first_key(sequence, a.slot(firstRow));
  int end = a.end_key(a.slot(firstRow + rows - 1));
  size_t first = a.cache_row(sequence, kvHead, begin) * a.headDim;
  Pieces<T, D> keys, values;
  keys.begin(shared_address(kTile), kCache + first, a.headDim);
  values.begin(shared_address(vTile), vCache + first, a.headDim);

  slots[threadIdx.x] = a.slot(firstRow + threadIdx.x);
  for (int piece = threadIdx.x; piece < kMmaRows * kChunks; piece += kMmaThreads) {
    int r = piece / kChunks;
    int d = piece % kChunks * 8;
    bool inside = r < rows && d < a.headDim;
    int p = firstRow + (inside ? r : 0);
    size_t at = a.token_row(sequence, p) * ldQ + (size_t)a.head(kvHead, p) * a.headDim + (inside ? d : 0);
    copy_async16(shared_address(qTile + r * kStride + d), q + at, inside);
  }
  if (begin < end) {
    keys.copy(end - begin, a.headDim);
  }
  copy_async_commit();

  int warpRow = warp * kMmaWarpRows;
  int lowRow = lane / 8 % 2 * 8 + lane % 8;  // the upper matrices of an ldmatrix lie below or beside the lower ones
  int highRow = lane / 16 * 8 + lane % 8;
  SharedAddress qAt = shared_address(qTile + (warpRow + lowRow) * kStride + lane / 16 * 8);
  SharedAddress kAt = shared_address(kTile + highRow * kStride + lane / 8 % 2 * 8);
  SharedAddress vAt = shared_address(vTile + lowRow * kStride + lane / 16 * 8);
  MmaState<D> state;
  UNROLL for (int i = 0; i < 2; i++) {
    UNROLL for (int h = 0; h < 2; h++) {
      state.maximum[i][h] = -kInfinity;
      state.sum[i][h] = 0;
      UNROLL for (int n = 0; n < D / 8; n++) {
        state.out[i][n][2 * h] = state.out[i][n][2 * h + 1] = 0;
      }
    }
  }

  for (int base = begin; base < end; base += kMmaKeys<D>) {
    copy_async_wait<0>();
    __syncthreads();  // K is there, and nobody reads the V before any more
    values.copy(end - base, a.headDim);
    copy_async_commit();
    // The same for all lanes of a warp: whether its rows see any, and whether they all see all of the tile's keys.
    int firstSlot = slots[warpRow];
    int lastSlot = slots[warpRow + kMmaWarpRows <= rows ? warpRow + kMmaWarpRows - 1 : rows - 1];
    bool any = warpRow < rows && (!a.causal || base <= lastSlot) &&
               (a.window <= 0 || firstSlot - (base + kMmaKeys<D> - 1) < a.window);
    bool all = base + kMmaKeys<D> <= end && (!a.causal || base + kMmaKeys<D> - 1 <= firstSlot) &&
               (a.window <= 0 || lastSlot - base < a.window);
    float s[2][kMmaKeys<D> / 8][4];
    if (any) {
      multiply_keys<T, D>(s, qAt, kAt);
    }
    copy_async_wait<0>();
    __syncthreads();  // V is there, and nobody reads this K any more
    if (base + kMmaKeys<D> < end) {
      keys.copy(end - base - kMmaKeys<D>, a.headDim);
    }
    copy_async_commit();
    if (!any) {
      continue;
    }
    if (!all) {
      hide(s, slots + warpRow, base, end, a);
    }
    soften(state, s, a.scale * kLog2e);
    add_values<T, D>(state, s, vAt);
  }

  // Through the rows of Q, which are this warp's own, to whole 16-byte pieces.
  copy_async_wait<0>();
  __syncthreads();
  T* rowsOut = qTile + warpRow * kStride;
  UNROLL for (int i = 0; i < 2; i++) {
    UNROLL for (int h = 0; h < 2; h++) {
      float sum = state.sum[i][h];
      sum += __shfl_xor_sync(kAllLanes, sum, 1);
      sum += __shfl_xor_sync(kAllLanes, sum, 2);
      float inverse = sum == 0 ? 0.0f : 1.0f / sum;
      T* row = rowsOut + (16 * i + 8 * h + lane / 4) * kStride + lane % 4 * 2;
      UNROLL for (int n = 0; n < D / 8; n++) {
        float low = state.out[i][n][2 * h] * inverse;
        float high = state.out[i][n][2 * h + 1] * inverse;
        store_vector(row + 8 * n, pack_halves(low, high, T{}));
      }
    }
  }
  __syncwarp();
  for (int piece = lane; piece < kMmaWarpRows * kChunks; piece += 32) {
    int r = piece / kChunks;
    int d = piece % kChunks * 8;
    int p = firstRow + warpRow + r;
    if (warpRow + r < rows && d < a.headDim) {
      size_t at = a.token_row(sequence, p) * ldOut + (size_t)a.head(kvHead, p) * a.headDim + d;
      store_vector(out + at, load_vector<uint4>(rowsOut + r * kStride + d));
    }
  }
}

#define ATTENTION_MMA(T, D)                                                                                        \
  ENTRY_PER_SM(128, 2, attention_mma_##T##_d##D, T* out, int ldOut, const T* q, int ldQ, const T* kCache,           \
               const T* vCache, const int* counters, const int* keyStart, int batch, int tokensPerSequence,        \
               int nHeads, int nKvHeads, int headDim, float scale, int causal, int window, int maxSeqLen) {        \
    if (blockIdx.z < (u32)batch) {                                                                                 \
      attend_mma<T, D>(out, ldOut, q, ldQ, kCache, vCache,                                                         \
                       Attention{counters, keyStart, nullptr, tokensPerSequence, nHeads, nKvHeads, headDim, scale, \
                                 causal, window, 0, maxSeqLen});                                                   \
    }                                                                                                              \
  }
#define ATTENTION_MMA_DIMS(T) ATTENTION_MMA(T, 64) ATTENTION_MMA(T, 80) ATTENTION_MMA(T, 96) ATTENTION_MMA(T, 128)
