package assay.backend.cpu.kernel;

import org.junit.jupiter.api.Assumptions;

/** Skipped on processors without AVX-512 and VNNI. */
class GeneratedRowKernelsTest extends AbstractRowKernelsTest {
  @Override
  Kernels kernels() {
    Kernels kernels = GeneratedKernels.createIfSupported();
    Assumptions.assumeTrue(kernels != null, "needs AVX-512 with VNNI");
    return kernels;
  }
}
