// What every kernel file uses: element types and their conversions, 8-element loads and stores, sums over warps and
// blocks, and ENTRY, which declares an entry point.
//
// Element types are plain structs of bits, not CUDA's own: the same source then compiles for the host with nothing but
// a C++ compiler (-DASSAY_HOST, see host/shim.h), where the few functions with PTX inside have a plain twin.
#pragma once

#ifdef ASSAY_HOST
#include "host/shim.h"

#define DEVICE static inline
#define DEVICE_OP inline
// An entry point: threads per block, name, parameters. Also entered in the shim's table of kernels.
#define ENTRY(threads, name, ...)                                    \
  extern "C" void name(__VA_ARGS__);                                 \
  static shim::Registrar registrar_##name(#name, threads, name);     \
  extern "C" void name(__VA_ARGS__)
#define ENTRY_PER_SM(threads, blocks, name, ...) ENTRY(threads, name, __VA_ARGS__)
#define SHARED(type, name, count)    \
  static const char name##_site = 0; \
  type* name = static_cast<type*>(shim::shared(&name##_site, sizeof(type) * (count)))
#define DYNAMIC_SHARED(type, name) type* name = static_cast<type*>(shim::dynamic_shared())
#define UNROLL
#else
#define DEVICE static __device__ __forceinline__
#define DEVICE_OP __device__ __forceinline__
#define ENTRY(threads, name, ...) extern "C" __global__ void __launch_bounds__(threads) name(__VA_ARGS__)
// The same, with registers for so many blocks on a multiprocessor (else the assembler prefers occupancy and spills).
#define ENTRY_PER_SM(threads, blocks, name, ...) \
  extern "C" __global__ void __launch_bounds__(threads, blocks) name(__VA_ARGS__)
#define SHARED(type, name, count) __shared__ type name[count]
#define DYNAMIC_SHARED(type, name)                          \
  extern __shared__ __align__(16) unsigned char dynamic_shared[]; \
  type* name = reinterpret_cast<type*>(dynamic_shared)
#define UNROLL _Pragma("unroll")
#endif

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

constexpr u32 kAllLanes = 0xffffffffu;
constexpr float kInfinity = __builtin_huge_valf();

// ---- element types; their names are the suffixes of entry points

typedef float f32;
struct f16 {
  u16 bits;
};
struct bf16 {
  u16 bits;
};
struct f8 {  // e4m3
  u8 bits;
};
struct q8 {};  // Q8_0 and Q4_0 in two planes: see weights.cuh
struct q4 {};

DEVICE float nan_value() { return __uint_as_float(0x7fc00000u); }

DEVICE float to_float(f32 x) { return x; }

DEVICE float to_float(bf16 x) { return __uint_as_float((u32)x.bits << 16); }

DEVICE float to_float(f16 x) {
#ifdef ASSAY_HOST
  u32 sign = (u32)(x.bits & 0x8000) << 16;
  u32 magnitude = x.bits & 0x7fff;
  if (magnitude >= 0x7c00) {
    return __uint_as_float(sign | 0x7f800000u | magnitude << 13);
  }
  // Exponent bias 15 to 127 by a multiplication, which also normalises subnormals.
  float f = __uint_as_float(magnitude << 13) * __uint_as_float((127u + 112u) << 23);
  return __uint_as_float(__float_as_uint(f) | sign);
#else
  float f;
  asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(x.bits));
  return f;
#endif
}

// Bits shifted into fp16 are the value times 2^-8, subnormals included; only S.1111.111 (NaN) is another's.
DEVICE float to_float(f8 x) {
  f16 h = {(u16)((x.bits & 0x80) << 8 | (x.bits & 0x7f) << 7)};
  float f = to_float(h) * 256.0f;
  return (x.bits & 0x7f) == 0x7f ? nan_value() : f;
}

DEVICE u32 round_shift(u32 value, int shift) {  // value / 2^shift, ties to even
  u32 kept = value >> shift;
  u32 rest = value & ((1u << shift) - 1);
  u32 half = 1u << (shift - 1);
  return kept + (rest > half || (rest == half && (kept & 1)) ? 1 : 0);
}

DEVICE void round_to(float x, f32& out) { out = x; }

DEVICE void round_to(float x, bf16& out) {
#if !defined(ASSAY_HOST) && __CUDA_ARCH__ >= 800
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(out.bits) : "f"(x));
#else
  u32 bits = __float_as_uint(x);
  out.bits = x != x ? (u16)(bits >> 16 | 0x40) : (u16)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
#endif
}

DEVICE void round_to(float x, f16& out) {
#ifdef ASSAY_HOST
  u32 bits = __float_as_uint(x);
  u16 sign = (u16)(bits >> 16 & 0x8000);
  u32 magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000u) {
    out.bits = (u16)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
  } else if (magnitude >= 0x47800000u) {  // 65536 and beyond
    out.bits = (u16)(sign | 0x7c00);
  } else if (magnitude >= 0x38800000u) {  // normal: rebias by 112, drop 13 bits; a carry may make it infinity
    out.bits = (u16)(sign | round_shift(magnitude - (112u << 23), 13));
  } else if (magnitude < 0x33000000u) {  // below half of the smallest subnormal
    out.bits = sign;
  } else {  // subnormal: the significand in units of 2^-24
    int exponent = (int)(magnitude >> 23);
    out.bits = (u16)(sign | round_shift((magnitude & 0x7fffff) | 0x800000, 126 - exponent));
  }
#else
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(out.bits) : "f"(x));
#endif
}

// Saturates at 448, as NVIDIA's satfinite conversion does; NaN stays NaN.
DEVICE void round_to(float x, f8& out) {
  u32 bits = __float_as_uint(x);
  u8 sign = (u8)(bits >> 24 & 0x80);
  u32 magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000u) {
    out.bits = 0x7f;
  } else if (magnitude >= 0x43e00000u) {  // 448 and beyond
    out.bits = (u8)(sign | 0x7e);
  } else if (magnitude >= 0x3c800000u) {  // normal, from 2^-6 on: rebias by 120, drop 20 bits
    out.bits = (u8)(sign | round_shift(magnitude - (120u << 23), 20));
  } else if (magnitude < 0x3a800000u) {  // below 2^-10, half of the smallest subnormal
    out.bits = sign;
  } else {  // subnormal: the significand in units of 2^-9
    out.bits = (u8)(sign | round_shift((magnitude & 0x7fffff) | 0x800000, 141 - (int)(magnitude >> 23)));
  }
}

template <class T>
DEVICE T from_float(float x) {
  T out;
  round_to(x, out);
  return out;
}

// Element of an array whose type is known when the kernel runs only: 0 f32, 1 f16, 2 bf16.
DEVICE float load_typed(const void* p, int type, size_t index) {
  return type == 0   ? static_cast<const f32*>(p)[index]
         : type == 1 ? to_float(static_cast<const f16*>(p)[index])
                     : to_float(static_cast<const bf16*>(p)[index]);
}

DEVICE void store_typed(void* p, int type, size_t index, float value) {
  if (type == 0) {
    static_cast<f32*>(p)[index] = value;
  } else if (type == 1) {
    static_cast<f16*>(p)[index] = from_float<f16>(value);
  } else {
    static_cast<bf16*>(p)[index] = from_float<bf16>(value);
  }
}

// ---- 16, 8 and 4 bytes at once

template <class V, class T>
DEVICE V load_vector(const T* p) {
#ifdef ASSAY_HOST
  shim::check_aligned(p, sizeof(V));
  V v;
  std::memcpy(&v, p, sizeof(V));
  return v;
#else
  return *reinterpret_cast<const V*>(p);
#endif
}

template <class V, class T>
DEVICE void store_vector(T* p, V v) {
#ifdef ASSAY_HOST
  shim::check_aligned(p, sizeof(V));
  std::memcpy(p, &v, sizeof(V));
#else
  *reinterpret_cast<V*>(p) = v;
#endif
}

// Weights, read once: past the L1, which is left to the activations.
template <class T>
DEVICE uint4 load_stream(const T* p) {
#ifdef ASSAY_HOST
  return load_vector<uint4>(p);
#else
  uint4 v;
  asm("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
      : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
      : "l"(p));
  return v;
#endif
}

DEVICE bool is_aligned(const void* p, size_t bytes) { return (reinterpret_cast<size_t>(p) & (bytes - 1)) == 0; }

// Whether every row of a matrix can be read in units of 8 elements by whole vectors.
template <class T>
DEVICE bool rows_aligned(const T* p, int ld) {
  return is_aligned(p, 8 * sizeof(T) < 16 ? 8 : 16) && (size_t)ld * sizeof(T) % (8 * sizeof(T) < 16 ? 8 : 16) == 0;
}

DEVICE void unpack_pair(u32 word, float& low, float& high, f16) {
  low = to_float(f16{(u16)word});
  high = to_float(f16{(u16)(word >> 16)});
}

DEVICE void unpack_pair(u32 word, float& low, float& high, bf16) {
  low = __uint_as_float(word << 16);
  high = __uint_as_float(word & 0xffff0000u);
}

DEVICE void unpack_quad(u32 word, float* v) {  // four e4m3
  UNROLL for (int i = 0; i < 4; i++) {
    v[i] = to_float(f8{(u8)(word >> 8 * i)});
  }
}

template <class T>
DEVICE void unpack8(uint4 raw, float (&v)[8], T type) {
  unpack_pair(raw.x, v[0], v[1], type);
  unpack_pair(raw.y, v[2], v[3], type);
  unpack_pair(raw.z, v[4], v[5], type);
  unpack_pair(raw.w, v[6], v[7], type);
}

DEVICE void load8_vector(const f32* p, float (&v)[8]) {
  float4 a = load_vector<float4>(p);
  float4 b = load_vector<float4>(p + 4);
  v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
  v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
}

DEVICE void load8_vector(const f16* p, float (&v)[8]) { unpack8(load_vector<uint4>(p), v, f16{}); }

DEVICE void load8_vector(const bf16* p, float (&v)[8]) { unpack8(load_vector<uint4>(p), v, bf16{}); }

DEVICE void load8_vector(const f8* p, float (&v)[8]) {
  uint2 raw = load_vector<uint2>(p);
  unpack_quad(raw.x, v);
  unpack_quad(raw.y, v + 4);
}

// Elements [0, 8) from p on as fp32; from `count` on they are 0 and not read. `vector`: p is aligned and count ≥ 8.
template <class T>
DEVICE void load8(const T* p, int count, bool vector, float (&v)[8]) {
  if (vector && count >= 8) {
    load8_vector(p, v);
  } else {
    UNROLL for (int i = 0; i < 8; i++) {
      v[i] = i < count ? to_float(p[i]) : 0.0f;
    }
  }
}

DEVICE void store8_vector(f32* p, const float (&v)[8]) {
  store_vector(p, float4{v[0], v[1], v[2], v[3]});
  store_vector(p + 4, float4{v[4], v[5], v[6], v[7]});
}

template <class T>
DEVICE u32 pack_pair(float low, float high) {
  return (u32)from_float<T>(low).bits | (u32)from_float<T>(high).bits << 16;
}

template <class T>
DEVICE void store8_vector(T* p, const float (&v)[8]) {
  static_assert(sizeof(T) == 2, "fp16 or bf16");
  store_vector(p, uint4{pack_pair<T>(v[0], v[1]), pack_pair<T>(v[2], v[3]), pack_pair<T>(v[4], v[5]),
                        pack_pair<T>(v[6], v[7])});
}

// Elements [0, count) to p, at most 8.
template <class T>
DEVICE void store8(T* p, int count, bool vector, const float (&v)[8]) {
  if (vector && count >= 8) {
    store8_vector(p, v);
  } else {
    UNROLL for (int i = 0; i < 8; i++) {
      if (i < count) {
        round_to(v[i], p[i]);
      }
    }
  }
}

// ---- reductions; every thread gets the result, the order of summation is fixed

struct Sum {
  DEVICE_OP float operator()(float a, float b) const { return a + b; }
};
struct Max {  // a NaN is ignored: sums of exponentials carry it on
  DEVICE_OP float operator()(float a, float b) const { return fmaxf(a, b); }
};

template <class Op>
DEVICE float warp_reduce(float v, Op op) {
  UNROLL for (int lanes = 16; lanes > 0; lanes /= 2) {
    v = op(v, __shfl_xor_sync(kAllLanes, v, lanes));
  }
  return v;
}

// `scratch`: shared, one float a warp; free again on return.
template <int kThreads, class Op>
DEVICE float block_reduce(float v, Op op, float* scratch) {
  constexpr int kWarps = kThreads / 32;
  v = warp_reduce(v, op);
  if (threadIdx.x % 32 == 0) {
    scratch[threadIdx.x / 32] = v;
  }
  __syncthreads();
  v = scratch[0];
  UNROLL for (int w = 1; w < kWarps; w++) {
    v = op(v, scratch[w]);
  }
  __syncthreads();
  return v;
}

// ---- where a pass stands (assay.backend.StepState)

constexpr int kSlot = 0;
constexpr int kDraw = 1;

// Position of row r: slots since its sequence began.
DEVICE int position_of(const int* counters, const int* keyStart, int row, int tokensPerSequence) {
  int position = counters[kSlot] + row % tokensPerSequence - keyStart[row / tokensPerSequence];
  return position < 0 ? 0 : position;
}

// ---- lists of types, for declaring entry points

#define FOR_ACTIVATIONS(M) M(f32) M(f16) M(bf16)
#define FOR_WEIGHTS(M, A) M(f32, A) M(f16, A) M(bf16, A) M(f8, A) M(q8, A) M(q4, A)
#define FOR_WEIGHTS_AND_ACTIVATIONS(M) FOR_WEIGHTS(M, f32) FOR_WEIGHTS(M, f16) FOR_WEIGHTS(M, bf16)
// From the fp32 residual stream to activations, and among activations.
#define FOR_RESIDUAL(M) M(f32, f32) M(f32, f16) M(f32, bf16) M(f16, f16) M(bf16, bf16)
#define FOR_ACTIVATION_PAIRS(M)                                                                                    \
  M(f32, f32) M(f32, f16) M(f32, bf16) M(f16, f32) M(f16, f16) M(f16, bf16) M(bf16, f32) M(bf16, f16) M(bf16, bf16)
