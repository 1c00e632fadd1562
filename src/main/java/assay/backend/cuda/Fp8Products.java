package assay.backend.cuda;

import assay.tensor.Tensor;

/** Products of e4m3 matrices by cuBLASLt. */
interface Fp8Products {
  /** Enqueues the product; false, having done nothing, where the library does not take it. */
  boolean multiply(Tensor x, Tensor weight, Tensor out, boolean accumulate);
}
