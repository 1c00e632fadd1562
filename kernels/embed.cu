// targets: sm_75 sm_80
//
// embed            out[r] = table[tokens[r]]; an id outside of the table gives a row of NaN
// embed_positions  x[r] += table[position of r] (learned positions), x being what embed wrote
//
// table [rows, columns] of any storage type, out [n, columns] strided. A block of 256 threads a row, grid n; 8 elements
// a thread. Memory: one row of the table read, one row written (and read) per token.
#include "weights.cuh"

template <class W, class O>
DEVICE void embed(O* out, int ldOut, const int* tokens, const W* table, const f16* scales, float factor, int tableRows,
                  int columns) {
  int row = blockIdx.x;
  int id = tokens[row];
  bool known = id >= 0 && id < tableRows;
  bool vector = rows_aligned(out, ldOut);
  for (int u = threadIdx.x; 8 * u < columns; u += 256) {
    float v[8];
    if (known) {
      load_unit(table, scales, factor, columns, id, u, v);
    } else {
      UNROLL for (int i = 0; i < 8; i++) {
        v[i] = nan_value();
      }
    }
    store8(out + (size_t)row * ldOut + 8 * u, columns - 8 * u, vector, v);
  }
}

template <class W, class O>
DEVICE void embed_positions(O* x, int ldX, const W* table, const f16* scales, float factor, int tableRows,
                            const int* counters, const int* keyStart, int tokensPerSequence, int columns) {
  int row = blockIdx.x;
  int position = position_of(counters, keyStart, row, tokensPerSequence);
  bool known = position < tableRows;
  bool vector = rows_aligned(x, ldX);
  for (int u = threadIdx.x; 8 * u < columns; u += 256) {
    float v[8], p[8];
    O* at = x + (size_t)row * ldX + 8 * u;
    load8(at, columns - 8 * u, vector, v);
    if (known) {
      load_unit(table, scales, factor, columns, position, u, p);
    }
    UNROLL for (int i = 0; i < 8; i++) {
      v[i] = known ? v[i] + p[i] : nan_value();
    }
    store8(at, columns - 8 * u, vector, v);
  }
}

#define EMBED(W, O)                                                                                                \
  ENTRY(256, embed_##W##_##O, O* out, int ldOut, const int* tokens, const W* table, const f16* tableScales,         \
        float tableScale, int tableRows, int n, int columns) {                                                     \
    if (blockIdx.x < (u32)n) {                                                                                     \
      embed<W, O>(out, ldOut, tokens, table, tableScales, tableScale, tableRows, columns);                         \
    }                                                                                                              \
  }                                                                                                                \
  ENTRY(256, embed_positions_##W##_##O, O* x, int ldX, const W* table, const f16* tableScales, float tableScale,    \
        int tableRows, const int* counters, const int* keyStart, int tokensPerSequence, int n, int columns) {       \
    if (blockIdx.x < (u32)n) {                                                                                     \
      embed_positions<W, O>(x, ldX, table, tableScales, tableScale, tableRows, counters, keyStart,                 \
                            tokensPerSequence, columns);                                                           \
    }                                                                                                              \
  }
FOR_WEIGHTS_AND_ACTIVATIONS(EMBED)
