// targets: sm_80
//
// attention_mma.cuh for f16. A file a type, since a model uses one and the driver compiles whole modules.
#include "attention_mma.cuh"

ATTENTION_MMA_DIMS(f16)
