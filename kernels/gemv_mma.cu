// targets: sm_80
//
// gemv_mma, gemv_mma_glu: what gemv.cuh computes, for up to 8 rows of x, on tensor cores: 16 rows of the matrix are the
// a of mma.m16n8k16, the rows of x its 8 columns (missing ones are zeros). For weights whose unpacking would keep the
// CUDA cores busier than the memory (q4, q8, f8), and for 16-bit weights from two rows of x on.
//
// A block takes 16 rows of the matrix (gated: 8 rows of gate and their 8 of up), its 8 warps every eighth chunk of 64 bytes
// of each; grid ceil(rows / 16) (gated: / 8). Lane 4g + t loads 16 bytes of rows g and g + 8, four such pairs ahead of
// their use: 128 bytes a lane, 32 KB a block in flight. Which elements stand at which k of the product is free as long as
// both sides agree, so a lane's 8 neighbouring elements are the pairs 2t, 2t+1 and 2t+8, 2t+9 of two products, and x is
// loaded as it lies: no shared memory, no shuffles. Memory: the weights once, past the L1; x from the L1.
//
// Arithmetic: weights to 16 bits exactly (q8, q4 as integers, e4m3 times a power of two), products exact, sums in fp32; a
// block of q8 or q4 is summed before it is scaled. Partial sums of the warps are added in a fixed order. Instructions a
// weight, counted: 16-bit 0.3, q8 1.6, q4 1.8, f8 2.8 (fp16) or 3.3 (bf16), where gemv.cuh takes 2, 3.5, 4.5, 9; an H100 can
// issue about 8.5 a byte it reads. Not measured yet.
//
// Requires x and weight at multiples of 16 bytes, whole chunks a row: columns a multiple of 32 (16-bit), 64 (f8, q8), 128
// (q4); MatrixOps.onTensorCores sends the rest to gemv.cuh.
#include "gemv.cuh"
#include "mma.cuh"

constexpr int kMmaChunkBytes = 64;  // of a row, for a quad of lanes
constexpr int kMmaAhead = 4;

// How the 16 bytes of a lane are units of 8 elements: kUnits of them, unit u of lane t's piece of chunk c at column(c, t, u).
template <class W>
struct MmaPiece {  // f16, bf16
  static constexpr int kUnits = 1;
  DEVICE_OP static int column(int c, int t, int) { return 32 * c + 8 * t; }
};
template <>
struct MmaPiece<f8> {
  static constexpr int kUnits = 2;
  DEVICE_OP static int column(int c, int t, int u) { return 64 * c + 16 * t + 8 * u; }
};
template <>
struct MmaPiece<q8> {
  static constexpr int kUnits = 2;
  DEVICE_OP static int column(int c, int t, int u) { return 64 * c + 32 * u + 8 * t; }
};
template <>
struct MmaPiece<q4> {
  static constexpr int kUnits = 4;
  DEVICE_OP static int column(int c, int t, int u) { return 128 * c + 32 * u + 8 * t; }
};

DEVICE u32 subtract_halves(u32 a, u32 b) {  // fp16 pairs
#ifdef ASSAY_HOST
  float p[2], q[2];
  unpack_pair(a, p[0], p[1], f16{});
  unpack_pair(b, q[0], q[1], f16{});
  return pack_pair<f16>(p[0] - q[0], p[1] - q[1]);
#else
  u32 d;
  asm("sub.f16x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));
  return d;
#endif
}

DEVICE u32 multiply_bf16s(u32 a, u32 b) {  // sm_80 has no product without a sum: - 0
#ifdef ASSAY_HOST
  float p[2], q[2];
  unpack_pair(a, p[0], p[1], bf16{});
  unpack_pair(b, q[0], q[1], bf16{});
  return pack_pair<bf16>(p[0] * q[0], p[1] * q[1]);
#else
  u32 d;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(0x80008000u));
  return d;
#endif
}

// Unit u of 16 bytes as four pairs of neighbouring elements.
template <class T>
DEVICE void unit_pairs(u32 (&pair)[4], uint4 raw, int, T, T) {
  UNROLL for (int i = 0; i < 4; i++) {
    pair[i] = word_of(raw, i);
  }
}

// An integer below 1024 in the low bits of an fp16 whose upper bits are those of 1024 is 1024 + the integer.
DEVICE void unit_pairs(u32 (&pair)[4], uint4 raw, int u, q8, f16) {
  UNROLL for (int i = 0; i < 2; i++) {
    u32 word = word_of(raw, 2 * u + i) ^ 0x80808080u;  // q + 128
    pair[2 * i] = subtract_halves(__byte_perm(word, 0x64646464u, 0x4140), 0x64806480u);
    pair[2 * i + 1] = subtract_halves(__byte_perm(word, 0x64646464u, 0x4342), 0x64806480u);
  }
}

DEVICE void unit_pairs(u32 (&pair)[4], uint4 raw, int u, q4, f16) {
  u32 word = word_of(raw, u);
  UNROLL for (int i = 0; i < 4; i++) {
    pair[i] = subtract_halves((word >> 4 * i & 0x000f000fu) | 0x64006400u, 0x64086408u);  // 1024 + q - 1032
  }
}

// The bits of an e4m3 in an fp16 are its value times 2^-8 (put right at the end), in a bf16 times 2^-120.
DEVICE void unit_pairs(u32 (&pair)[4], uint4 raw, int u, f8, f16) {
  UNROLL for (int i = 0; i < 4; i++) {
    u32 bytes = __byte_perm(word_of(raw, 2 * u + i / 2), 0, i % 2 == 0 ? 0x1404 : 0x3424);
    pair[i] = (bytes & 0x80008000u) | (bytes >> 1 & 0x3f803f80u);
  }
}

DEVICE void unit_pairs(u32 (&pair)[4], uint4 raw, int u, f8, bf16) {
  UNROLL for (int i = 0; i < 4; i++) {
    u32 bytes = __byte_perm(word_of(raw, 2 * u + i / 2), 0, i % 2 == 0 ? 0x1404 : 0x3424);
    pair[i] = multiply_bf16s((bytes & 0x80008000u) | (bytes >> 4 & 0x07f007f0u), 0x7b807b80u);
  }
}

template <class W, class X>
constexpr float kMmaFactor = 1.0f;
template <>
constexpr float kMmaFactor<f8, f16> = 256.0f;

// Whether one of 16 e4m3 is NaN (S.1111.111), whose bits would otherwise pass for a number.
DEVICE u32 any_nan(uint4 raw, f8) {
  u32 bits = 0;
  UNROLL for (int i = 0; i < 4; i++) {
    bits |= (word_of(raw, i) & 0x7f7f7f7fu) + 0x01010101u;
  }
  return bits & 0x80808080u;
}
template <class W>
DEVICE u32 any_nan(uint4, W) {
  return 0;
}

// What a lane loads of a row at once: 16 bytes and the scales of its blocks.
template <class W>
struct MmaLoad {
  uint4 raw;
  u32 scales[MmaPiece<W>::kUnits / 2 > 0 ? MmaPiece<W>::kUnits / 2 : 1];

  DEVICE_OP void load(const WeightRow<W>& row, int c) {
    raw = load_stream(row.data + (size_t)c * kMmaChunkBytes);
    if constexpr (IsPacked<W>::value) {
      UNROLL for (int i = 0; i < MmaPiece<W>::kUnits / 2; i++) {
        scales[i] = load_vector<u32>(row.scales + c * MmaPiece<W>::kUnits + 2 * i);
      }
    }
  }

  DEVICE_OP float scale(int u) const { return to_float(f16{(u16)(scales[u / 2] >> 16 * (u % 2))}); }
};

template <class W, class X>
DEVICE void multiply_piece(float (&sums)[4], const MmaLoad<W> (&w)[2], const X* x, bool inside, int c, int t) {
  UNROLL for (int u = 0; u < MmaPiece<W>::kUnits; u++) {
    u32 low[4], high[4];
    unit_pairs(low, w[0].raw, u, W{}, X{});
    unit_pairs(high, w[1].raw, u, W{}, X{});
    uint4 b = {0, 0, 0, 0};
    if (inside) {
      b = load_vector<uint4>(x + MmaPiece<W>::column(c, t, u));
    }
    u32 first[4] = {low[0], high[0], low[1], high[1]};
    u32 second[4] = {low[2], high[2], low[3], high[3]};
    if constexpr (IsPacked<W>::value) {
      float block[4] = {0, 0, 0, 0};
      mma(block, first, b.x, b.y, X{});
      mma(block, second, b.z, b.w, X{});
      UNROLL for (int i = 0; i < 4; i++) {
        sums[i] += block[i] * w[i / 2].scale(u);
      }
    } else {
      mma(sums, first, b.x, b.y, X{});
      mma(sums, second, b.z, b.w, X{});
    }
  }
}

template <class W, class X, bool kGlu>
DEVICE void gemv_mma(void* out, int ldOut, bool outIsF32, const X* x, int ldX, const W* weight, const f16* scales,
                     float factor, const f32* bias, int accumulate, int activation, int n, int rows, int columns) {
  SHARED(float, partials, kGemvWarps * 16 * 8);
  int warp = threadIdx.x / 32;
  int g = threadIdx.x % 32 / 4;
  int t = threadIdx.x % 4;
  int firstRow = blockIdx.x * (kGlu ? 8 : 16);
  // Rows behind the end are computed again as the last one, and not stored.
  int low = firstRow + g < rows ? firstRow + g : rows - 1;
  int high = kGlu ? rows + low : firstRow + 8 + g < rows ? firstRow + 8 + g : rows - 1;
  WeightRow<W> row[2] = {weight_row(weight, scales, columns, (size_t)low),
                         weight_row(weight, scales, columns, (size_t)high)};
  row[0].data += 16 * t;
  row[1].data += 16 * t;
  bool inside = g < n;
  x += inside ? (size_t)g * ldX : 0;
  int chunks = columns / MmaPiece<W>::column(1, 0, 0);
  float sums[4] = {0, 0, 0, 0};
  u32 nan[2] = {0, 0};
  for (int c = warp; c < chunks; c += kMmaAhead * kGemvWarps) {
    MmaLoad<W> w[kMmaAhead][2];
    UNROLL for (int a = 0; a < kMmaAhead; a++) {
      if (c + a * kGemvWarps < chunks) {
        w[a][0].load(row[0], c + a * kGemvWarps);
        w[a][1].load(row[1], c + a * kGemvWarps);
      }
    }
    UNROLL for (int a = 0; a < kMmaAhead; a++) {
      if (c + a * kGemvWarps < chunks) {
        nan[0] |= any_nan(w[a][0].raw, W{});
        nan[1] |= any_nan(w[a][1].raw, W{});
        multiply_piece<W, X>(sums, w[a], x, inside, c + a * kGemvWarps, t);
      }
    }
  }
  UNROLL for (int h = 0; h < 2; h++) {
    nan[h] |= __shfl_xor_sync(kAllLanes, nan[h], 1);
    nan[h] |= __shfl_xor_sync(kAllLanes, nan[h], 2);
    UNROLL for (int j = 0; j < 2; j++) {
      partials[(warp * 16 + 8 * h + g) * 8 + 2 * t + j] = nan[h] ? nan_value() : sums[2 * h + j];
    }
  }
  __syncthreads();
  int o = threadIdx.x / 8;
  int r = threadIdx.x % 8;
  if (o >= (kGlu ? 8 : 16) || firstRow + o >= rows || r >= n) {
    return;
  }
  factor *= kMmaFactor<W, X>;
  float sum = 0;
  float up = 0;
  for (int w = 0; w < kGemvWarps; w++) {
    sum += partials[(w * 16 + o) * 8 + r];
    up += kGlu ? partials[(w * 16 + 8 + o) * 8 + r] : 0.0f;
  }
  o += firstRow;
  sum = sum * factor + (bias == nullptr ? 0.0f : bias[o]);
  if (kGlu) {
    up = up * factor + (bias == nullptr ? 0.0f : bias[rows + o]);
    store_sum<X>(out, false, (size_t)r * ldOut + o, activate(activation, sum) * up, false);
  } else {
    store_sum<X>(out, outIsF32, (size_t)r * ldOut + o, sum, accumulate);
  }
}

#define GEMV_MMA(W, X)                                                                                              \
  ENTRY_PER_SM(256, 3, gemv_mma_##W##_##X, void* out, int ldOut, int outIsF32, const X* x, int ldX, const W* weight, \
               const f16* scales, float weightScale, const f32* bias, int accumulate, int n, int rows,              \
               int columns) {                                                                                       \
    gemv_mma<W, X, false>(out, ldOut, outIsF32, x, ldX, weight, scales, weightScale, bias, accumulate, 0, n, rows,   \
                          columns);                                                                                 \
  }                                                                                                                 \
  ENTRY_PER_SM(256, 3, gemv_mma_glu_##W##_##X, void* out, int ldOut, const X* x, int ldX, const W* weight,           \
               const f16* scales, float weightScale, const f32* bias, int activation, int n, int rows,              \
               int columns) {                                                                                       \
    gemv_mma<W, X, true>(out, ldOut, false, x, ldX, weight, scales, weightScale, bias, 0, activation, n, rows,       \
                         columns);                                                                                  \
  }
GEMV_MMA(f16, f16)
GEMV_MMA(bf16, bf16)
GEMV_MMA(f8, f16)
GEMV_MMA(f8, bf16)
GEMV_MMA(q8, f16)
GEMV_MMA(q4, f16)
