// Rotary positions (Su et al. 2021), halves form: elements i and i + headDim/2 of a head are rotated by the angle that
// the table holds for the row's position: [cos of headDim/2 angles | sin of them], fp32.
#pragma once
#include "common.cuh"

// Units of 8 pairs in a head.
DEVICE int rotary_units(int headDim) { return (headDim / 2 + 7) / 8; }

// Pairs [8u, 8u + 8) of a head: first[] are the elements of the lower half, second[] of the upper.
template <class T>
DEVICE void rotate_unit(const T* head, int headDim, int u, const f32* angles, bool vector, float (&first)[8],
                        float (&second)[8]) {
  int half = headDim / 2;
  int count = half - 8 * u;
  float a[8], b[8], c[8], s[8];
  load8(head + 8 * u, count, vector, a);
  load8(head + half + 8 * u, count, vector, b);
  load8(angles + 8 * u, count, vector, c);
  load8(angles + half + 8 * u, count, vector, s);
  UNROLL for (int i = 0; i < 8; i++) {
    first[i] = a[i] * c[i] - b[i] * s[i];
    second[i] = b[i] * c[i] + a[i] * s[i];
  }
}

// Whether halves of heads can be read by whole vectors.
template <class T>
DEVICE bool heads_aligned(const T* x, int ldX, int headDim) {
  return rows_aligned(x, ldX) && headDim % 16 == 0;
}
