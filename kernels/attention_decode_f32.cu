// targets: sm_75
//
// Split-key attention of one new token over a cache of f32: see attention_decode.cuh. A module per type of cache, since a
// session uses one and the driver compiles whole modules.
#include "attention_decode.cuh"

DECODE_DIMS(f32)
