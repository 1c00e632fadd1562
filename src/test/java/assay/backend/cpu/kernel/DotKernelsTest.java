package assay.backend.cpu.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.InputRounding;
import assay.model.DType;
import assay.model.NumberFormat;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** bf16 by vdpbf16ps. Skipped on processors without AVX512_BF16. */
class DotKernelsTest extends AbstractKernelsTest {
  @Override
  Kernels kernels() {
    Kernels kernels = GeneratedKernels.createIfSupported(GeneratedKernels.Bf16.DOT);
    Assumptions.assumeTrue(kernels != null, "needs AVX-512 with VNNI and BF16");
    return kernels;
  }

  @Test
  void saysThatActivationsAreRounded() {
    try (Kernels kernels = kernels()) {
      assertEquals(InputRounding.BF16, kernels.inputRounding(DType.BF16, true));
      assertEquals(InputRounding.NONE, kernels.inputRounding(DType.BF16, false));
      assertEquals(InputRounding.NONE, kernels.inputRounding(DType.F32, true));
      assertTrue(kernels.arithmetic(DType.BF16, true).contains("rounded to bf16"));
      assertEquals("fp32 FMA", kernels.arithmetic(DType.BF16, false));
    }
  }

  /** Every upper half with a lower one below, at and above the middle, NaNs and infinities too. */
  @Test
  void packsToTheNearestBf16() {
    int[] lower = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
    int columns = lower.length * 64 + 5;
    try (Kernels kernels = kernels();
        Arena arena = Arena.ofConfined()) {
      MemorySegment x = arena.allocate(4L * columns, 64);
      MemorySegment packed = arena.allocate(kernels.packedRowBytes(DType.BF16), 64);
      for (int upper = 0; upper < 1 << 16; upper += 64) {
        for (int i = 0; i < columns; i++) {
          int bits = (upper + i / lower.length) << 16 | lower[i % lower.length];
          x.setAtIndex(ValueLayout.JAVA_INT, i, bits);
        }
        kernels.pack(DType.BF16, x.address(), columns, packed.address());
        for (int i = 0; i < columns; i++) {
          float value = x.getAtIndex(ValueLayout.JAVA_FLOAT, i);
          float got = NumberFormat.fromBf16(packed.getAtIndex(ValueLayout.JAVA_SHORT, i));
          float want = NumberFormat.fromBf16(NumberFormat.toBf16(value));
          boolean flushed = Math.abs(value) < Float.MIN_NORMAL && got == 0;
          assertTrue(flushed || Float.compare(want, got) == 0, () -> value + " became " + got);
        }
      }
    }
  }
}
