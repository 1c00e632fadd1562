package assay.backend.cpu;

import assay.backend.AbstractBackendTest;
import assay.backend.Backend;
import assay.backend.InputRounding;
import assay.backend.cpu.kernel.GeneratedKernels;
import assay.backend.cpu.kernel.Kernels;
import assay.model.DType;
import assay.model.Precision;
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
    if (weight.isBlocked()) {
      return 1 / 254.0;
    }
    // bf16 products of several rows round x to bf16 where the processor is faster that way.
    boolean rounds =
        weight == DType.BF16
            && rows > 1
            && backend.inputRounding(Precision.BF16, true) == InputRounding.BF16;
    return rounds ? 0x1p-8 : 0;
  }
}
