// Element types of matrices, decoded and encoded one by one.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace standin {

// cudaDataType
constexpr int kF32 = 0;
constexpr int kF16 = 2;
constexpr int kI8 = 3;
constexpr int kI32 = 10;
constexpr int kBf16 = 14;
constexpr int kF8 = 28;

inline int element_bytes(int type) {
  switch (type) {
    case kF32:
    case kI32:
      return 4;
    case kF16:
    case kBf16:
      return 2;
    case kI8:
    case kF8:
      return 1;
    default:
      return 0;
  }
}

inline float from_bits(uint32_t bits) {
  float f;
  memcpy(&f, &bits, 4);
  return f;
}

inline uint32_t to_bits(float f) {
  uint32_t bits;
  memcpy(&bits, &f, 4);
  return bits;
}

inline double load(const void* base, int type, size_t i) {
  switch (type) {
    case kF32:
      return static_cast<const float*>(base)[i];
    case kF16:
      return (double)static_cast<const _Float16*>(base)[i];
    case kBf16:
      return from_bits((uint32_t) static_cast<const uint16_t*>(base)[i] << 16);
    case kI8:
      return static_cast<const int8_t*>(base)[i];
    case kI32:
      return static_cast<const int32_t*>(base)[i];
    case kF8: {
      uint8_t b = static_cast<const uint8_t*>(base)[i];
      int exponent = b >> 3 & 15;
      int fraction = b & 7;
      double v = (b & 0x7f) == 0x7f ? NAN
                 : exponent == 0    ? std::ldexp(fraction, -9)
                                    : std::ldexp(8 + fraction, exponent - 10);
      return b & 0x80 ? -v : v;
    }
    default:
      return NAN;
  }
}

inline void store(void* base, int type, size_t i, double v) {
  switch (type) {
    case kF32:
      static_cast<float*>(base)[i] = (float)v;
      break;
    case kF16:
      static_cast<_Float16*>(base)[i] = (_Float16)(float)v;
      break;
    case kBf16: {
      uint32_t bits = to_bits((float)v);
      bool nan = (bits & 0x7fffffff) > 0x7f800000;
      static_cast<uint16_t*>(base)[i] =
          nan ? (uint16_t)(bits >> 16 | 0x40) : (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
      break;
    }
    case kI32:
      static_cast<int32_t*>(base)[i] = (int32_t)std::llrint(v);
      break;
    default:
      break;
  }
}

// fp32 to 10 fraction bits, ties to even: what tensor cores take as tf32.
inline double to_tf32(double v) {
  uint32_t bits = to_bits((float)v);
  bits = (bits + 0xfff + (bits >> 13 & 1)) & ~0x1fffu;
  return from_bits(bits);
}

}  // namespace standin
