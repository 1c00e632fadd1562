// targets: sm_75
//
// counters[SLOT] += tokens, counters[DRAW] += draws. One thread.
#include "common.cuh"

ENTRY(1, advance, int* counters, int tokens, int draws) {
  counters[kSlot] += tokens;
  counters[kDraw] += draws;
}
