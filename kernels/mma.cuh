// Tensor cores and copies that run beside the arithmetic: the functions with PTX of sm_80 inside, each with a plain twin
// for the host. The twins show that fragments, addresses, waits and barriers are right; that the PTX does what its twin
// says is a fact of the instruction set (PTX ISA, "Matrix Fragments for mma.m16n8k16") which the assembler checks for
// form only. Not shown on the host: the order in which a tensor core adds (results here differ by rounding).
//
// Fragments of m16n8k16, two 16-bit elements a register, lane = 4g + t:
//   a  rows g, g+8 × k 2t, 2t+1:  a[0] row g, a[1] row g+8, a[2] row g at k+8, a[3] row g+8 at k+8
//   b  k 2t, 2t+1 × column g:     b[0], b[1] at k+8
//   c  rows g, g+8 × columns 2t, 2t+1:  c[0], c[1] row g, c[2], c[3] row g+8
// So the c of two neighbouring tiles of columns, packed, is the a of the product that follows.
#pragma once
#include "common.cuh"

#ifdef ASSAY_HOST
struct MmaFragments {
  float a[4][2];
  float b[2][2];
};

template <class T>
DEVICE void unpack_fragment(u32 word, float (&v)[2]) {
  unpack_pair(word, v[0], v[1], T{});
}

template <class T>
DEVICE void mma_host(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1, shim::Site site) {
  MmaFragments mine;
  for (int i = 0; i < 4; i++) {
    unpack_fragment<T>(a[i], mine.a[i]);
  }
  unpack_fragment<T>(b0, mine.b[0]);
  unpack_fragment<T>(b1, mine.b[1]);
  auto all = shim::gather(mine, site);
  int g = shim::current->lane / 4;
  int t = shim::current->lane % 4;
  for (int i = 0; i < 4; i++) {
    for (int k = 0; k < 16; k++) {
      const MmaFragments& left = all[4 * g + k % 8 / 2];
      const MmaFragments& right = all[4 * (2 * t + i % 2) + k % 8 / 2];
      c[i] += left.a[i / 2 + 2 * (k / 8)][k % 2] * right.b[k / 8][k % 2];
    }
  }
}
#endif

// c += a·b, the 16-bit products exact, the sum in fp32.
DEVICE void mma(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1, f16) {
#ifdef ASSAY_HOST
  mma_host<f16>(c, a, b0, b1, SHIM_SITE);
#else
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

DEVICE void mma(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1, bf16) {
#ifdef ASSAY_HOST
  mma_host<bf16>(c, a, b0, b1, SHIM_SITE);
#else
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

// A place in shared memory: on the device 32 bits, half of what a pointer takes.
#ifdef ASSAY_HOST
typedef u8* SharedAddress;
DEVICE SharedAddress shared_address(void* p) { return static_cast<u8*>(p); }
#else
typedef u32 SharedAddress;
DEVICE SharedAddress shared_address(void* p) { return (u32)__cvta_generic_to_shared(p); }
#endif

// Four 8 × 8 matrices of 16-bit elements out of shared memory. Lane l names row l % 8 of matrix l / 8, 16 aligned bytes;
// it gets the elements 2t, 2t+1 of row g of each: b fragments of a matrix stored column after column, a fragments of one
// stored row after row.
DEVICE void load_matrices(u32 (&r)[4], SharedAddress row) {
#ifdef ASSAY_HOST
  shim::load_matrices(r, row, false, SHIM_SITE);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row)
               : "memory");
#endif
}

// The same, but each lane gets the elements of rows 2t, 2t+1 of column g: b fragments of a matrix stored row after row.
DEVICE void load_matrices_transposed(u32 (&r)[4], SharedAddress row) {
#ifdef ASSAY_HOST
  shim::load_matrices(r, row, true, SHIM_SITE);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row)
               : "memory");
#endif
}

// 16 bytes to shared memory, past the registers and the L1; zeros if not `inside`, and then nothing is read.
DEVICE void copy_async16(SharedAddress shared, const void* global, bool inside) {
#ifdef ASSAY_HOST
  shim::copy_async(shared, global, inside ? 16 : 0, 16);
#else
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(global),
               "r"(inside ? 16 : 0)
               : "memory");
#endif
}

// Ends a group of copies of this thread.
DEVICE void copy_async_commit() {
#ifdef ASSAY_HOST
  shim::copy_async_commit();
#else
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Until at most kGroups of this thread's groups are under way; a barrier then shows the bytes to the others.
template <int kGroups>
DEVICE void copy_async_wait() {
#ifdef ASSAY_HOST
  shim::copy_async_wait(kGroups);
#else
  asm volatile("cp.async.wait_group %0;" ::"n"(kGroups) : "memory");
#endif
}

// Two numbers rounded to nearest even, the first in the low half.
DEVICE u32 pack_halves(float low, float high, f16) {
#ifdef ASSAY_HOST
  return pack_pair<f16>(low, high);
#else
  u32 word;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
#endif
}

DEVICE u32 pack_halves(float low, float high, bf16) {
#ifdef ASSAY_HOST
  return pack_pair<bf16>(low, high);
#else
  u32 word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
#endif
}

// 2^x by the special function unit alone: 2 ulp; below 2^-126 zero.
DEVICE float exp2_fast(float x) {
#ifdef ASSAY_HOST
  return exp2f(x);
#else
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}
