// The MLP's activation functions, by the codes of KernelTable.code: each as its closed form in fp32, with the library's
// exact-to-2-ulp functions rather than the fast ones (the kernels that use them are bound by memory).
#pragma once
#include "common.cuh"

DEVICE float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

DEVICE float activate(int activation, float x) {
  switch (activation) {
    case 0:  // SiLU
      return x / (1.0f + expf(-x));
    case 1:  // GELU, tanh form: 0.5·(1 + tanh(y)) = σ(2y)
      return x * sigmoid(1.5957691216f * (x + 0.044715f * x * x * x));
    case 2:  // GELU, erf form; erfc keeps the digits that 1 + erf loses for negative x
      return 0.5f * x * erfcf(-0.70710678119f * x);
    case 3:
      return x != x ? x : fmaxf(x, 0.0f);
    case 4:
      return sigmoid(x);
    case 5:
      return tanhf(x);
    default:  // hardswish
      return x * fminf(fmaxf(x + 3.0f, 0.0f), 6.0f) / 6.0f;
  }
}
