// The CUDA that our kernels use, for an ordinary C++ compiler: with -DASSAY_HOST the same .cu sources become functions
// of this machine. Threads of a block are fibres that run until they meet a barrier or a shuffle; see shim.cpp for
// what is checked. It shows arithmetic, indices, barriers and, through its schedules, most races; it cannot show
// occupancy or speed.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <new>
#include <tuple>
#include <type_traits>
#include <utility>

struct uint2 {
  unsigned x, y;
};
struct uint4 {
  unsigned x, y, z, w;
};
struct float2 {
  float x, y;
};
struct float4 {
  float x, y, z, w;
};
struct Dim3 {
  unsigned x, y, z;
};

namespace shim {

constexpr int kWarp = 32;

// What the running fibre is.
struct Fibre {
  Dim3 thread;
  int lane;
  int warp;
  unsigned collectives;  // how many so far: picks one of two exchange buffers
};

extern Fibre* current;
extern Dim3 block_index, block_size, grid_size;

// Where a collective stands: all threads that meet there must stand at the same one.
struct Site {
  const char* file;
  int line;
};

constexpr int kSlotBytes = 64;

void block_barrier(Site site);
void warp_barrier(Site site, unsigned mask);
extern unsigned char* exchange_slots;  // [warp][2][32][kSlotBytes]
[[noreturn]] void fail(const char* format, ...);

// Shared memory of the running block: one piece per declaration, filled with 0xFF, with a guard behind it.
void* shared(const void* declaration, size_t bytes);
void* dynamic_shared();

inline void check_aligned(const void* p, size_t bytes) {
  if (reinterpret_cast<uintptr_t>(p) % bytes != 0) {
    fail("address %p is not a multiple of %zu", p, bytes);
  }
}

// 32 slots of this warp for this collective. Two buffers: a lane can be one collective ahead of another, never two.
inline unsigned char* exchange() {
  unsigned which = current->collectives++ & 1;
  return exchange_slots + (current->warp * 2 + which) * kWarp * kSlotBytes;
}

// What each lane of the warp brought to a collective; stays until this lane's next but one.
template <class T>
struct Gathered {
  const unsigned char* slots;
  const T& operator[](int lane) const { return *reinterpret_cast<const T*>(slots + lane * kSlotBytes); }
};

template <class T>
Gathered<T> gather(const T& mine, Site site, unsigned mask = ~0u) {
  static_assert(sizeof(T) <= kSlotBytes && std::is_trivially_copyable<T>::value, "a few registers");
  unsigned char* slots = exchange();
  new (slots + current->lane * kSlotBytes) T(mine);
  warp_barrier(site, mask);
  return {slots};
}

template <class T>
T shuffle(unsigned mask, T value, int from, Site site) {
  static_assert(sizeof(T) <= 8, "a register or two");
  return gather(value, site, mask)[from & (kWarp - 1)];
}

inline unsigned ballot(unsigned mask, bool predicate, Site site) {
  auto votes = gather(predicate, site, mask);
  unsigned bits = 0;
  for (int i = 0; i < kWarp; i++) {
    bits |= (unsigned)votes[i] << i;
  }
  return bits;
}

// Fails unless all of it lies in one piece of the block's shared memory.
void check_shared(const void* p, size_t bytes);

// Rows of an ldmatrix.x4 that met a bank another row of the same matrix needs, since the library was loaded.
extern unsigned long long bank_conflicts;

// ldmatrix.x4 of 16-bit elements: see load_matrices in ../mma.cuh.
void load_matrices(unsigned (&r)[4], const void* row, bool transposed, Site site);

// cp.async: `read` bytes, the rest of `bytes` zeros. What arrives when is not defined before the wait, so schedules with
// an even number copy at once and those with an odd one at the wait: a barrier or wait that is missing, or a tile that
// is overwritten while others read it, shows in one of the two.
void copy_async(void* to, const void* from, unsigned read, unsigned bytes);
void copy_async_commit();
void copy_async_wait(unsigned groups);

// Kernels by name, callable with cuLaunchKernel's array of pointers to arguments.
using Invoke = void (*)(const void* function, void** args);

struct Kernel {
  const char* name;
  unsigned block;
  int parameters;
  Invoke invoke;
  const void* function;
  Kernel* next;
};

void add(Kernel* kernel);

template <class... A, size_t... I>
void call(void (*f)(A...), void** args, std::index_sequence<I...>) {
  f(*static_cast<std::remove_cv_t<A>*>(args[I])...);
}

template <class... A>
struct Registrar {
  Kernel kernel;

  Registrar(const char* name, unsigned block, void (*f)(A...))
      : kernel{name,
               block,
               sizeof...(A),
               [](const void* function, void** args) {
                 call(reinterpret_cast<void (*)(A...)>(const_cast<void*>(function)), args,
                      std::index_sequence_for<A...>{});
               },
               reinterpret_cast<const void*>(f),
               nullptr} {
    add(&kernel);
  }
};

}  // namespace shim

#define threadIdx (shim::current->thread)
#define blockIdx (shim::block_index)
#define blockDim (shim::block_size)
#define gridDim (shim::grid_size)
#define SHIM_SITE (shim::Site{__FILE__, __LINE__})

#define __syncthreads() shim::block_barrier(SHIM_SITE)
#define __syncwarp() shim::warp_barrier(SHIM_SITE, 0xffffffffu)
#define __shfl_xor_sync(mask, value, lanes) shim::shuffle(mask, value, shim::current->lane ^ (lanes), SHIM_SITE)
#define __shfl_sync(mask, value, from) shim::shuffle(mask, value, from, SHIM_SITE)
#define __ballot_sync(mask, predicate) shim::ballot(mask, predicate, SHIM_SITE)
#define __shfl_up_sync(mask, value, delta)                                                                  \
  shim::shuffle(mask, value, shim::current->lane >= (int)(delta) ? shim::current->lane - (int)(delta)       \
                                                                 : shim::current->lane,                     \
                SHIM_SITE)

template <class T>
inline T atomicAdd(T* at, T value) {
  T before = *at;
  *at = before + value;
  return before;
}

template <class T>
inline T atomicMax(T* at, T value) {
  T before = *at;
  *at = before < value ? value : before;
  return before;
}

inline float __uint_as_float(unsigned bits) {
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}

inline unsigned __float_as_uint(float f) {
  unsigned bits;
  std::memcpy(&bits, &f, 4);
  return bits;
}

inline int __float_as_int(float f) { return (int)__float_as_uint(f); }

// Each rounds once: the host is compiled without contraction.
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fdiv_rn(float a, float b) { return a / b; }

inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selector) {
  uint64_t bytes = (uint64_t)b << 32 | a;
  unsigned out = 0;
  for (int i = 0; i < 4; i++) {
    out |= (unsigned)(bytes >> 8 * (selector >> 4 * i & 7) & 0xff) << 8 * i;
  }
  return out;
}

inline int __float2int_rn(float x) { return (int)std::nearbyint(x); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz((unsigned)x); }

template <class T>
inline T max(T a, T b) {
  return a < b ? b : a;
}

template <class T>
inline T min(T a, T b) {
  return b < a ? b : a;
}
