package assay.backend.cpu.kernel;

class VectorKernelsTest extends AbstractKernelsTest {
  @Override
  Kernels kernels() {
    return new VectorKernels();
  }
}
