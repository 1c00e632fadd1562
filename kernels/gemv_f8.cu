// targets: sm_75
//
// Products of f8 weights with 1 to 8 rows on CUDA cores: see gemv.cuh. A module per type of weights, since a model uses
// one or two and the driver compiles whole modules.
#include "gemv.cuh"

GEMV_WEIGHT(f8)
