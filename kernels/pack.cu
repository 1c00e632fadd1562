// targets: sm_75
//
// pack    n rows of stored blocks (Q8_0: fp16 scale and 32 int8; Q4_0: fp16 scale and 16 bytes, byte j holding elements
//         j and j + 16) into rows from firstRow on of the two planes of weights.cuh
// unpack  the way back
//
// A thread a block of 32 elements, 256 threads, grid ceil(n · blocksPerRow / 256). Memory: each byte read and written
// once, in 2-byte pieces on the stored side, whose blocks are 2-byte aligned only; done once, at loading.
#include "weights.cuh"

DEVICE u32 load_u16x2(const u8* p) {
  return (u32)load_vector<u16>(p) | (u32)load_vector<u16>(p + 2) << 16;
}

DEVICE void store_u16x2(u8* p, u32 word) {
  store_vector(p, (u16)word);
  store_vector(p + 2, (u16)(word >> 16));
}

// Nibbles of the stored order (byte j: elements j | j + 16) of elements 8t … 8t+7 to a unit word, and back.
DEVICE u32 unit_of_nibbles(const u32 (&words)[4], int t) {
  u32 out = 0;
  UNROLL for (int i = 0; i < 8; i++) {
    int element = 8 * t + i;
    int byte = element % 16;
    u32 nibble = words[byte / 4] >> (8 * (byte % 4) + 4 * (element / 16)) & 15;
    out |= nibble << (i % 2 * 16 + i / 2 * 4);
  }
  return out;
}

DEVICE u32 nibbles_of_units(const u32 (&units)[4], int word) {
  u32 out = 0;
  UNROLL for (int i = 0; i < 8; i++) {
    int element = 4 * word + i / 2 + 16 * (i % 2);
    int e = element % 8;
    u32 nibble = units[element / 8] >> (e % 2 * 16 + e / 2 * 4) & 15;
    out |= nibble << (8 * (i / 2) + 4 * (i % 2));
  }
  return out;
}

DEVICE void pack_block(u8* quants, const u8* stored, size_t row, int block, int blocks, q8) {
  UNROLL for (int t = 0; t < 4; t++) {
    uint2 unit = {load_u16x2(stored + 8 * t), load_u16x2(stored + 8 * t + 4)};
    store_vector(quants + packed_unit_at<q8>(row, 4 * block + t, blocks), unit);
  }
}

DEVICE void pack_block(u8* quants, const u8* stored, size_t row, int block, int blocks, q4) {
  u32 words[4];
  UNROLL for (int i = 0; i < 4; i++) {
    words[i] = load_u16x2(stored + 4 * i);
  }
  UNROLL for (int t = 0; t < 4; t++) {
    store_vector(quants + packed_unit_at<q4>(row, 4 * block + t, blocks), unit_of_nibbles(words, t));
  }
}

DEVICE void unpack_block(u8* stored, const u8* quants, size_t row, int block, int blocks, q8) {
  UNROLL for (int t = 0; t < 4; t++) {
    uint2 unit = load_vector<uint2>(quants + packed_unit_at<q8>(row, 4 * block + t, blocks));
    store_u16x2(stored + 8 * t, unit.x);
    store_u16x2(stored + 8 * t + 4, unit.y);
  }
}

DEVICE void unpack_block(u8* stored, const u8* quants, size_t row, int block, int blocks, q4) {
  u32 units[4];
  UNROLL for (int t = 0; t < 4; t++) {
    units[t] = load_vector<u32>(quants + packed_unit_at<q4>(row, 4 * block + t, blocks));
  }
  UNROLL for (int i = 0; i < 4; i++) {
    store_u16x2(stored + 4 * i, nibbles_of_units(units, i));
  }
}

template <class W>
constexpr int kStoredBytes = 2 + 4 * Packed<W>::kUnitBytes;

template <class W>
DEVICE void pack(u8* quants, f16* scales, const u8* stored, int firstRow, int n, int blocks) {
  i64 i = (i64)blockIdx.x * 256 + threadIdx.x;
  if (i < (i64)n * blocks) {
    size_t row = (size_t)firstRow + i / blocks;
    int block = (int)(i % blocks);
    const u8* from = stored + i * kStoredBytes<W>;
    scales[row * blocks + block].bits = load_vector<u16>(from);
    pack_block(quants, from + 2, row, block, blocks, W{});
  }
}

template <class W>
DEVICE void unpack(u8* stored, const u8* quants, const f16* scales, int firstRow, int n, int blocks) {
  i64 i = (i64)blockIdx.x * 256 + threadIdx.x;
  if (i < (i64)n * blocks) {
    size_t row = (size_t)firstRow + i / blocks;
    int block = (int)(i % blocks);
    u8* to = stored + i * kStoredBytes<W>;
    store_vector(to, scales[row * blocks + block].bits);
    unpack_block(to + 2, quants, row, block, blocks, W{});
  }
}

#define PACK(W)                                                                                            \
  ENTRY(256, pack_##W, u8* quants, f16* scales, const u8* stored, int firstRow, int n, int blocksPerRow) { \
    pack<W>(quants, scales, stored, firstRow, n, blocksPerRow);                                            \
  }                                                                                                        \
  ENTRY(256, unpack_##W, u8* stored, const u8* quants, const f16* scales, int firstRow, int n,              \
        int blocksPerRow) {                                                                                \
    unpack<W>(stored, quants, scales, firstRow, n, blocksPerRow);                                          \
  }
PACK(q8)
PACK(q4)
