// Matrix times few rows, the decode step's product, on CUDA cores:
//
//   gemv      out[r][o] = Σ_i x[r][i] · weight[o][i] · factor (+ bias[o]) (+ out[r][o])      o < rows
//   gemv_glu  out[r][o] = act(gate) · up, gate and up being such sums for rows o and rows + o of weight [2 · rows, columns]
//
// x [n, columns] and out [n, ·] strided, n ≤ N; weight of any storage type (weights.cuh); out of x's type or fp32; bias
// fp32 or null. Fused q|k|v and gate|up need nothing more: they are one matrix.
//
// A warp takes two rows of the matrix (2p and 2p+1; gate and up), so each load of x serves twice; `warpsPerRow` (1, 2, 4,
// 8) warps share a pair where the matrix has too few rows to fill the device. 256 threads; grid
// ceil(pairs · warpsPerRow / 8). A lane loads 16 bytes of each row (fp32: 32), two such chunks ahead of their use; 32
// lanes read 512 bytes of a row in one piece. Memory: the weights once, past the L1; x from the L1. Where columns are no
// whole chunks, or x or the rows are not aligned, the rest (or all) goes element by element (block types: 8 at a time):
// slower, not wrong.
//
// fp32 FMA on values converted exactly; blocks of q8 and q4 are summed before they are scaled. Order of summation is
// fixed. Cost per weight: about 1 FMA per row of x and 1 to 2.5 instructions to unpack: at one row bound by memory for
// all but q4; from two rows on by L1 reads of x. A variant on tensor cores (16 rows of weights as the mma's A, up to 8
// rows of x as its B; the packed layout is made for it) is not written yet.
#pragma once
#include "activation.cuh"
#include "weights.cuh"

constexpr int kGemvWarps = 8;
constexpr int kAhead = 2;  // chunks of each row in flight per lane

// What a lane loads of one row at once: kPieces · 8 elements.
template <class W>
struct Chunk {
  static constexpr int kPieces = sizeof(W) == 4 ? 1 : 2 / sizeof(W) < 1 ? 1 : 2 / sizeof(W);
  uint4 raw[sizeof(W) == 4 ? 2 : 1];
};
template <>
struct Chunk<q8> {
  static constexpr int kPieces = 2;
  uint4 raw[1];
};
template <>
struct Chunk<q4> {
  static constexpr int kPieces = 4;
  uint4 raw[1];
};

DEVICE u32 word_of(uint4 v, int i) { return i == 0 ? v.x : i == 1 ? v.y : i == 2 ? v.z : v.w; }

// Values of piece j (compile-time after unrolling) of a chunk, for the block types without their scale.
DEVICE void piece_values(const Chunk<f32>& c, int, float (&v)[8]) {
  UNROLL for (int i = 0; i < 8; i++) {
    v[i] = __uint_as_float(word_of(c.raw[i / 4], i % 4));
  }
}
DEVICE void piece_values(const Chunk<f16>& c, int, float (&v)[8]) { unpack8(c.raw[0], v, f16{}); }
DEVICE void piece_values(const Chunk<bf16>& c, int, float (&v)[8]) { unpack8(c.raw[0], v, bf16{}); }
DEVICE void piece_values(const Chunk<f8>& c, int j, float (&v)[8]) {
  unpack_quad(word_of(c.raw[0], 2 * j), v);
  unpack_quad(word_of(c.raw[0], 2 * j + 1), v + 4);
}
DEVICE void piece_values(const Chunk<q8>& c, int j, float (&v)[8]) {
  decode_q8(uint2{word_of(c.raw[0], 2 * j), word_of(c.raw[0], 2 * j + 1)}, v);
}
DEVICE void piece_values(const Chunk<q4>& c, int j, float (&v)[8]) { decode_q4(word_of(c.raw[0], j), v); }

// One row of the matrix as chunks.
template <class W>
struct WeightRow {
  const u8* data;
  const f16* scales;  // of this row; null for plain types

  DEVICE_OP void load(Chunk<W>& chunk, int c) const {
    constexpr int kLoads = sizeof(chunk.raw) / 16;
    UNROLL for (int i = 0; i < kLoads; i++) {
      chunk.raw[i] = load_stream(data + (size_t)c * sizeof(chunk.raw) + 16 * i);
    }
  }
};

template <class W>
DEVICE WeightRow<W> weight_row(const W* weight, const f16* scales, int columns, size_t row) {
  if constexpr (IsPacked<W>::value) {
    size_t blocks = blocks_per_row(columns);
    return {reinterpret_cast<const u8*>(weight) + row * blocks * (4 * Packed<W>::kUnitBytes), scales + row * blocks};
  } else {
    return {reinterpret_cast<const u8*>(weight + row * columns), nullptr};
  }
}

// Column of piece j of chunk c, and its block.
template <class W>
DEVICE int piece_column(int c, int j) {
  if constexpr (IsPacked<W>::value) {
    return (c / 4 * Packed<W>::kGroup + j) * kBlockElements + c % 4 * 8;
  } else {
    return (c * Chunk<W>::kPieces + j) * 8;
  }
}

// Whole chunks of a row; 0 where the rows do not begin at multiples of 16 bytes.
template <class W>
DEVICE int whole_chunks(const W* weight, int columns) {
  if constexpr (IsPacked<W>::value) {
    return is_aligned(weight, 16) ? columns / (kBlockElements * Packed<W>::kGroup) * 4 : 0;
  } else {
    bool aligned = is_aligned(weight, 16) && (size_t)columns * sizeof(W) % 16 == 0;
    return aligned ? columns / (8 * Chunk<W>::kPieces) : 0;
  }
}

// The scales of a chunk's pieces.
template <class W>
DEVICE void load_scales(const WeightRow<W>& row, int c, float (&d)[Chunk<W>::kPieces]) {
  UNROLL for (int j = 0; j < Chunk<W>::kPieces; j++) {
    if constexpr (IsPacked<W>::value) {
      d[j] = to_float(row.scales[c / 4 * Packed<W>::kGroup + j]);
    } else {
      d[j] = 1.0f;
    }
  }
}

template <class W, class X, int N>
DEVICE void multiply_chunk(float (&sums)[N][2], const Chunk<W> (&chunk)[2], const float (&scale)[2][Chunk<W>::kPieces],
                           int c, const X* x, int ldX, int n) {
  UNROLL for (int j = 0; j < Chunk<W>::kPieces; j++) {
    float w[2][8];
    piece_values(chunk[0], j, w[0]);
    piece_values(chunk[1], j, w[1]);
    const X* at = x + piece_column<W>(c, j);
    UNROLL for (int r = 0; r < N; r++) {
      if (r >= n) {
        break;
      }
      float v[8];
      load8_vector(at + (size_t)r * ldX, v);
      UNROLL for (int k = 0; k < 2; k++) {
        float sum = 0;
        UNROLL for (int i = 0; i < 8; i++) {
          sum += w[k][i] * v[i];
        }
        sums[r][k] += IsPacked<W>::value ? sum * scale[k][j] : sum;
      }
    }
  }
}

// Both rows' sums over this lane's share of the columns; `lane` of `lanes` that share the pair.
template <class W, class X, int N>
DEVICE void multiply_rows(float (&sums)[N][2], const W* weight, const f16* scales, const size_t (&row)[2], const X* x,
                          int ldX, int n, int columns, int lane, int lanes) {
  WeightRow<W> rows[2] = {weight_row(weight, scales, columns, row[0]), weight_row(weight, scales, columns, row[1])};
  int chunks = rows_aligned(x, ldX) ? whole_chunks(weight, columns) : 0;
  for (int c = lane; c < chunks; c += kAhead * lanes) {
    Chunk<W> chunk[kAhead][2];
    float scale[kAhead][2][Chunk<W>::kPieces];
    UNROLL for (int a = 0; a < kAhead; a++) {
      if (c + a * lanes < chunks) {
        UNROLL for (int k = 0; k < 2; k++) {
          rows[k].load(chunk[a][k], c + a * lanes);
          load_scales(rows[k], c + a * lanes, scale[a][k]);
        }
      }
    }
    UNROLL for (int a = 0; a < kAhead; a++) {
      if (c + a * lanes < chunks) {
        multiply_chunk(sums, chunk[a], scale[a], c + a * lanes, x, ldX, n);
      }
    }
  }
  if constexpr (IsPacked<W>::value) {
    for (int u = chunks * Chunk<W>::kPieces + lane; 8 * u < columns; u += lanes) {
      float w[2][8];
      load_unit(weight, scales, 1.0f, columns, row[0], u, w[0]);
      load_unit(weight, scales, 1.0f, columns, row[1], u, w[1]);
      UNROLL for (int r = 0; r < N; r++) {
        if (r >= n) {
          break;
        }
        UNROLL for (int i = 0; i < 8; i++) {
          float v = 8 * u + i < columns ? to_float(x[(size_t)r * ldX + 8 * u + i]) : 0.0f;
          sums[r][0] += w[0][i] * v;
          sums[r][1] += w[1][i] * v;
        }
      }
    }
  } else {
    for (int i = chunks * Chunk<W>::kPieces * 8 + lane; i < columns; i += lanes) {
      float w[2] = {to_float(weight[row[0] * columns + i]), to_float(weight[row[1] * columns + i])};
      UNROLL for (int r = 0; r < N; r++) {
        if (r >= n) {
          break;
        }
        float v = to_float(x[(size_t)r * ldX + i]);
        sums[r][0] += w[0] * v;
        sums[r][1] += w[1] * v;
      }
    }
  }
}

template <class X>
DEVICE void store_sum(void* out, bool isF32, size_t at, float value, bool accumulate) {
  if (isF32) {
    f32* p = static_cast<f32*>(out) + at;
    *p = accumulate ? *p + value : value;
  } else {
    X* p = static_cast<X*>(out) + at;
    round_to(accumulate ? to_float(*p) + value : value, *p);
  }
}

template <class W, class X, int N, bool kGlu>
DEVICE void gemv(void* out, int ldOut, bool outIsF32, const X* x, int ldX, const W* weight, const f16* scales,
                 float factor, const f32* bias, int accumulate, int activation, int n, int rows, int columns,
                 int warpsPerRow) {
  SHARED(float, scratch, kGemvWarps * N * 2);
  int warp = threadIdx.x / 32;
  int lane = threadIdx.x % 32;
  int first = warp / warpsPerRow * warpsPerRow;  // the warps of this pair begin here
  int pair = blockIdx.x * (kGemvWarps / warpsPerRow) + warp / warpsPerRow;
  int pairs = kGlu ? rows : (rows + 1) / 2;
  int row = kGlu ? pair : 2 * pair;
  int second = kGlu ? rows + pair : row + 1;
  float sums[N][2];
  UNROLL for (int r = 0; r < N; r++) {
    sums[r][0] = sums[r][1] = 0;
  }
  if (pair < pairs) {
    size_t both[2] = {(size_t)row, (size_t)(!kGlu && second >= rows ? row : second)};
    multiply_rows<W, X, N>(sums, weight, scales, both, x, ldX, n, columns, (warp - first) * 32 + lane,
                           warpsPerRow * 32);
  }
  UNROLL for (int r = 0; r < N; r++) {
    UNROLL for (int k = 0; k < 2; k++) {
      float sum = warp_reduce(sums[r][k], Sum{});
      if (lane == 0) {
        scratch[(warp * N + r) * 2 + k] = sum;
      }
    }
  }
  __syncthreads();
  if (pair >= pairs || warp != first || lane >= 2 * N) {
    return;
  }
  int r = lane / 2;
  int k = lane % 2;
  int o = k == 0 ? row : second;
  float sum = 0;
  for (int w = 0; w < warpsPerRow; w++) {
    sum += scratch[((first + w) * N + r) * 2 + k];
  }
  if (r >= n || (!kGlu && o >= rows)) {
    return;
  }
  sum = sum * factor + (bias == nullptr ? 0.0f : bias[o]);
  if (!kGlu) {
    store_sum<X>(out, outIsF32, (size_t)r * ldOut + o, sum, accumulate);
  } else if (k == 0) {
    float up = 0;
    for (int w = 0; w < warpsPerRow; w++) {
      up += scratch[((first + w) * N + r) * 2 + 1];
    }
    up = up * factor + (bias == nullptr ? 0.0f : bias[second]);
    store_sum<X>(out, false, (size_t)r * ldOut + o, activate(activation, sum) * up, false);
  }
}

#define GEMV(W, X, N)                                                                                                \
  ENTRY_PER_SM(256, 2, gemv_##W##_##X##_n##N, void* out, int ldOut, int outIsF32, const X* x, int ldX,                \
               const W* weight, const f16* scales, float weightScale, const f32* bias, int accumulate, int n,         \
               int rows, int columns, int warpsPerRow) {                                                             \
    gemv<W, X, N, false>(out, ldOut, outIsF32, x, ldX, weight, scales, weightScale, bias, accumulate, 0, n, rows,    \
                         columns, warpsPerRow);                                                                      \
  }                                                                                                                  \
  ENTRY_PER_SM(256, 2, gemv_glu_##W##_##X##_n##N, void* out, int ldOut, const X* x, int ldX, const W* weight,         \
               const f16* scales, float weightScale, const f32* bias, int activation, int n, int rows, int columns,  \
               int warpsPerRow) {                                                                                    \
    gemv<W, X, N, true>(out, ldOut, false, x, ldX, weight, scales, weightScale, bias, 0, activation, n, rows,        \
                        columns, warpsPerRow);                                                                       \
  }
#define GEMV_ROWS(W, X) GEMV(W, X, 1) GEMV(W, X, 8)
#define GEMV_WEIGHT(W) GEMV_ROWS(W, f32) GEMV_ROWS(W, f16) GEMV_ROWS(W, bf16)
