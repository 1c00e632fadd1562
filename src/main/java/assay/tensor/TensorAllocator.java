package assay.tensor;

import assay.model.DType;

/** Gives out tensors: an {@link Arena} really, a {@link TensorPlan} only counting. */
public interface TensorAllocator {
  /**
   * Every tensor starts at a multiple of this many bytes: one vector register, and more than any
   * vector load of a GPU.
   */
  int ALIGNMENT_BYTES = 256;

  /** A row-major tensor [rows, columns]; contents undefined. */
  Tensor allocate(DType type, int rows, int columns);
}
