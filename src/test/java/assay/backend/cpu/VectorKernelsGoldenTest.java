package assay.backend.cpu;

import assay.backend.Backend;
import assay.backend.cpu.kernel.VectorKernels;
import assay.engine.AbstractGoldenTest;

/**
 * The golden models on processors without AVX-512, and with another number of threads than cores.
 */
class VectorKernelsGoldenTest extends AbstractGoldenTest {
  @Override
  protected Backend backend() {
    return new CpuBackend(3, new VectorKernels());
  }
}
