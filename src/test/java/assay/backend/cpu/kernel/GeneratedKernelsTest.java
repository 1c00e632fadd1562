package assay.backend.cpu.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.InputRounding;
import assay.model.DType;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** bf16 widened to fp32. Skipped on processors without AVX-512 and VNNI. */
class GeneratedKernelsTest extends AbstractKernelsTest {
  @Override
  Kernels kernels() {
    Kernels kernels = GeneratedKernels.createIfSupported(GeneratedKernels.Bf16.WIDEN);
    Assumptions.assumeTrue(kernels != null, "needs AVX-512 with VNNI");
    return kernels;
  }

  @Test
  void saysThatActivationsAreNotRounded() {
    try (Kernels kernels = kernels()) {
      assertEquals(InputRounding.NONE, kernels.inputRounding(DType.BF16, true));
      assertEquals("fp32 FMA", kernels.arithmetic(DType.BF16, true));
    }
  }

  @Test
  void theDotProductIsTakenWhereTwoOfItBeatFourMultiplyAddsClearly() {
    assertTrue(PeakProbe.isWorthIt(100, 100), "AMD Zen 4: as fast, twice the work");
    assertTrue(!PeakProbe.isWorthIt(100, 400), "a quarter as fast, twice the work");
    assertTrue(!PeakProbe.isWorthIt(100, 200), "no difference");
  }
}
