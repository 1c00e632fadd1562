// targets: sm_75
//
// Sets bytes to zero. 256 threads, 16 bytes a thread, grid ceil(bytes / 4096); memory: written once.
#include "common.cuh"

ENTRY(256, zero, u8* target, i64 bytes) {
  i64 at = 16 * ((i64)blockIdx.x * 256 + threadIdx.x);
  if (at + 16 <= bytes && is_aligned(target, 16)) {
    store_vector(target + at, uint4{0, 0, 0, 0});
  } else {
    for (i64 i = at; i < bytes && i < at + 16; i++) {
      target[i] = 0;
    }
  }
}
