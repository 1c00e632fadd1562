package assay.backend.cpu.kernel;

class VectorRowKernelsTest extends AbstractRowKernelsTest {
  @Override
  Kernels kernels() {
    return new VectorKernels();
  }
}
