package assay.backend.cuda;

import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Products of e4m3 activations and weights on a real GPU that has them. */
@ExtendWith(OnGpu.class)
class CudaF8OnGpuTest {
  /**
   * Tensor cores add the terms of a step with about 13 fraction bits of the largest, and steps of
   * up to 128 terms to each other in fp32.
   */
  private static final double SUM_ERROR = 0x1p-12;

  @Test
  void productsOfManyRows() {
    try (CudaBackend backend = OnGpu.open()) {
      String[] version =
          backend.info().facts().getOrDefault("compute_capability", "0.0").split("\\.");
      int sm = 10 * Integer.parseInt(version[0]) + Integer.parseInt(version[1]);
      Assumptions.assumeTrue(sm >= F8Products.OLDEST_SM, "needs compute capability 8.9");
      F8Cases.products(backend, new int[] {64, 208, 4112}, SUM_ERROR);
    }
  }
}
