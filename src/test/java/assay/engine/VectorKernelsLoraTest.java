package assay.engine;

import assay.backend.Backend;
import assay.backend.cpu.CpuBackend;
import assay.backend.cpu.kernel.VectorKernels;

class VectorKernelsLoraTest extends AbstractLoraTest {
  @Override
  protected Backend backend() {
    return new CpuBackend(3, new VectorKernels());
  }
}
