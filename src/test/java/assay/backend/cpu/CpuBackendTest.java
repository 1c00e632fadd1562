package assay.backend.cpu;

import assay.backend.AbstractBackendTest;
import assay.backend.Backend;
import assay.backend.cpu.kernel.GeneratedKernels;
import assay.backend.cpu.kernel.Kernels;
import assay.model.DType;
import org.junit.jupiter.api.Assumptions;

/** The machine code for AVX-512. Skipped on other processors. */
class CpuBackendTest extends AbstractBackendTest {
  @Override
  protected Backend backend() {
    Kernels kernels = GeneratedKernels.createIfSupported();
    Assumptions.assumeTrue(kernels != null, "needs AVX-512 with VNNI");
    return new CpuBackend(2, kernels);
  }

  @Override
  protected double activationStep(DType weight, int rows) {
    return weight.isBlocked() ? 1 / 254.0 : 0;
  }
}
