package assay.backend.cpu;

import assay.backend.AbstractBackendTest;
import assay.backend.Backend;
import assay.backend.cpu.kernel.VectorKernels;

/** The Vector API kernels, with more threads than most test machines have cores. */
class VectorCpuBackendTest extends AbstractBackendTest {
  @Override
  protected Backend backend() {
    return new CpuBackend(3, new VectorKernels());
  }
}
