// Weight matrices of every storage type, 8 elements ("a unit") at a time.
//
// f32, f16, bf16, f8: row after row without gaps. q8 and q4 (Q8_0, Q4_0): two planes, the same bytes as the stored
// blocks in another order, so that 16 aligned bytes hold weights only:
//
//   quants  [rows][blocks] · 32 or 16 bytes. The blocks of a row form groups of 2 (q8) or 4 (q4), the last group may be
//           smaller: m blocks. Unit t (elements 8t … 8t+7, t = 0…3) of block j of a group is unit t·m + j of the group.
//           Piece t of a full group is thus 16 bytes: elements 8t … 8t+7 of each of its blocks.
//   scales  [rows][blocks] fp16
//
// A q4 unit, as a word: element 2i in bits 4i … 4i+3, element 2i+1 in bits 16+4i … 19+4i, so that
// word >> 4i & 0x000f000f is a pair of neighbours. Values are scale · q (q8) and scale · (q - 8) (q4), and times the
// matrix' own factor, which is 1 for all but f8. The Java side of this layout: PackedLayout.
#pragma once
#include "common.cuh"

constexpr int kBlockElements = 32;

template <class W>
struct Packed;  // kUnitBytes, kGroup: blocks in a group

template <>
struct Packed<q8> {
  static constexpr int kUnitBytes = 8;
  static constexpr int kGroup = 2;
};

template <>
struct Packed<q4> {
  static constexpr int kUnitBytes = 4;
  static constexpr int kGroup = 4;
};

DEVICE int blocks_per_row(int columns) { return (columns + kBlockElements - 1) / kBlockElements; }

// Byte of the plane of quants where unit `u` (of 8 elements) of a row begins.
template <class W>
DEVICE size_t packed_unit_at(size_t row, int u, int blocks) {
  constexpr int kGroup = Packed<W>::kGroup;
  int block = u / 4;
  int first = block / kGroup * kGroup;
  int m = blocks - first < kGroup ? blocks - first : kGroup;
  return ((row * blocks + first) * 4 + (u % 4) * m + (block - first)) * Packed<W>::kUnitBytes;
}

// An integer of [0, 2^23) in the low bits of a word whose upper bits are those of 2^23 is 2^23 + the integer.
constexpr u32 kMagic = 0x4b000000u;
constexpr float kMagicValue = 8388608.0f;

DEVICE void decode_q8(uint2 raw, float (&v)[8]) {
  u32 low = raw.x ^ 0x80808080u;  // q + 128 without sign
  u32 high = raw.y ^ 0x80808080u;
  UNROLL for (int i = 0; i < 4; i++) {
    v[i] = __uint_as_float(__byte_perm(low, kMagic, 0x7540 + i)) - (kMagicValue + 128.0f);
    v[i + 4] = __uint_as_float(__byte_perm(high, kMagic, 0x7540 + i)) - (kMagicValue + 128.0f);
  }
}

DEVICE void decode_q4(u32 word, float (&v)[8]) {
  UNROLL for (int i = 0; i < 4; i++) {
    v[2 * i] = __uint_as_float((word >> 4 * i & 15) | kMagic) - (kMagicValue + 8.0f);
    v[2 * i + 1] = __uint_as_float((word >> (16 + 4 * i) & 15) | kMagic) - (kMagicValue + 8.0f);
  }
}

DEVICE void decode_unit(const u8* at, float (&v)[8], q8) { decode_q8(load_vector<uint2>(at), v); }

DEVICE void decode_unit(const u8* at, float (&v)[8], q4) { decode_q4(load_vector<u32>(at), v); }

template <class W>
struct IsPacked {
  static constexpr bool value = false;
};
template <>
struct IsPacked<q8> {
  static constexpr bool value = true;
};
template <>
struct IsPacked<q4> {
  static constexpr bool value = true;
};

// Unit u of a row as fp32, the matrix' own factor included; elements behind the row's end are 0.
template <class W>
DEVICE void load_unit(const W* data, const f16* scales, float factor, int columns, size_t row, int u, float (&v)[8]) {
  if constexpr (IsPacked<W>::value) {
    int blocks = blocks_per_row(columns);
    decode_unit(reinterpret_cast<const u8*>(data) + packed_unit_at<W>(row, u, blocks), v, W{});
    float d = to_float(scales[row * blocks + u / 4]);
    UNROLL for (int i = 0; i < 8; i++) {
      v[i] = 8 * u + i < columns ? v[i] * d * factor : 0.0f;
    }
  } else {
    bool vector = rows_aligned(data, columns);
    load8(data + row * columns + 8 * u, columns - 8 * u, vector, v);
    UNROLL for (int i = 0; i < 8; i++) {
      v[i] *= factor;
    }
  }
}

// ---- the way back, bit for bit as assay.model.BlockFormat

// Largest magnitude, and for q4 the value that has it (the first of equals), over the 32 elements of a block that four
// neighbouring lanes hold. All lanes of the warp must call it.
DEVICE float block_absmax(const float (&v)[8]) {
  float largest = 0;
  UNROLL for (int i = 0; i < 8; i++) {
    largest = fmaxf(largest, fabsf(v[i]));
  }
  UNROLL for (int lanes = 1; lanes < 4; lanes *= 2) {
    largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, lanes));
  }
  return largest;
}

DEVICE float block_extreme(const float (&v)[8]) {
  float largest = block_absmax(v);
  int t = threadIdx.x % 4;
  int first = 32;  // index in the block of the first element of that magnitude
  float mine = 0;
  UNROLL for (int i = 7; i >= 0; i--) {
    if (fabsf(v[i]) == largest) {
      first = 8 * t + i;
      mine = v[i];
    }
  }
  UNROLL for (int lanes = 1; lanes < 4; lanes *= 2) {
    int otherFirst = __shfl_xor_sync(kAllLanes, first, lanes);
    float other = __shfl_xor_sync(kAllLanes, mine, lanes);
    if (otherFirst < first) {
      first = otherFirst;
      mine = other;
    }
  }
  return mine;
}

DEVICE float inverse_or_zero(float d) { return d == 0 ? 0.0f : __fdiv_rn(1.0f, d); }

// Encodes a unit; `v` is 0 behind the row's end. All lanes of a warp call it together, lane t of a quad with unit t of
// the same block; `active` says whether the unit exists.
DEVICE void store_unit(u8* at, f16* scale, bool active, const float (&v)[8], q8) {
  float d = __fdiv_rn(block_absmax(v), 127.0f);
  float inverse = inverse_or_zero(d);
  u32 words[2] = {0, 0};
  UNROLL for (int i = 0; i < 8; i++) {
    float q = __fmul_rn(v[i], inverse);
    words[i / 4] |= (u32)((int)roundf(q) & 255) << 8 * (i % 4);  // halves away from zero, as llama.cpp's quantiser
  }
  if (active) {
    store_vector(at, uint2{words[0], words[1]});
    if (threadIdx.x % 4 == 0) {
      *scale = from_float<f16>(d);
    }
  }
}

DEVICE void store_unit(u8* at, f16* scale, bool active, const float (&v)[8], q4) {
  float d = __fdiv_rn(block_extreme(v), -8.0f);
  float inverse = inverse_or_zero(d);
  u32 word = 0;
  UNROLL for (int i = 0; i < 8; i++) {
    int q = (int)__fadd_rn(__fmul_rn(v[i], inverse), 8.5f);
    q = q > 15 ? 15 : q;
    word |= (u32)q << (i % 2 * 16 + i / 2 * 4);
  }
  if (active) {
    store_vector(at, word);
    if (threadIdx.x % 4 == 0) {
      *scale = from_float<f16>(d);
    }
  }
}

// Unit u of a row, value / factor rounded to the storage type. All lanes of a warp call it together, neighbours with
// neighbouring units; units beyond the row's end store nothing.
template <class W>
DEVICE void store_unit(W* data, f16* scales, float factor, int columns, size_t row, int u, const float (&v)[8]) {
  float scaled[8];
  UNROLL for (int i = 0; i < 8; i++) {
    scaled[i] = factor == 1.0f ? v[i] : __fdiv_rn(v[i], factor);
  }
  if constexpr (IsPacked<W>::value) {
    int blocks = blocks_per_row(columns);
    bool active = u < 4 * blocks;
    u8* at = reinterpret_cast<u8*>(data) + (active ? packed_unit_at<W>(row, u, blocks) : 0);
    store_unit(at, scales + (active ? row * blocks + u / 4 : 0), active, scaled, W{});
  } else {
    UNROLL for (int i = 0; i < 8; i++) {
      if (8 * u + i < columns) {
        round_to(scaled[i], data[row * columns + 8 * u + i]);
      }
    }
  }
}
