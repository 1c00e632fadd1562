package assay.backend.cpu.training;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Every orientation and awkward size against fp64 sums, between guard areas. */
class GemmTest {
  private static final float GUARD = 12345f;
  private static final int MARGIN = 64;

  @ParameterizedTest
  @CsvSource({
    "1, 1, 1",
    "1, 13, 207",
    "13, 1, 1",
    "6, 32, 256",
    "7, 33, 257",
    "13, 207, 13",
    "207, 13, 300",
    "2, 530, 5",
    "18, 513, 259"
  })
  void productsInEveryOrientation(int m, int n, int k) {
    for (int mode = 0; mode < 8; mode++) {
      check(m, n, k, (mode & 1) != 0, (mode & 2) != 0, (mode & 4) != 0);
    }
  }

  private static void check(
      int m, int n, int k, boolean aTransposed, boolean bTransposed, boolean accumulate) {
    Random random = new Random(31L * m + n + k);
    float[] a = gaussians(random, m * k);
    float[] b = gaussians(random, k * n);
    float[] c = gaussians(random, m * n);
    int rowLength = n + 5; // rows of c need not follow each other
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment aMemory = arena.allocateFrom(ValueLayout.JAVA_FLOAT, a);
      MemorySegment bMemory = arena.allocateFrom(ValueLayout.JAVA_FLOAT, b);
      MemorySegment cMemory = arena.allocate(4L * (MARGIN + m * rowLength + MARGIN), 64);
      for (long i = 0; i < cMemory.byteSize() / 4; i++) {
        cMemory.setAtIndex(ValueLayout.JAVA_FLOAT, i, GUARD);
      }
      for (int i = 0; i < m; i++) {
        for (int j = 0; j < n; j++) {
          cMemory.setAtIndex(ValueLayout.JAVA_FLOAT, MARGIN + i * rowLength + j, c[i * n + j]);
        }
      }
      Gemm.Matrix left = Gemm.Matrix.dense(aMemory.address(), aTransposed ? m : k);
      Gemm.Matrix right = Gemm.Matrix.dense(bMemory.address(), bTransposed ? k : n);
      Gemm.multiply(
          m,
          n,
          k,
          aTransposed ? left.transposed() : left,
          bTransposed ? right.transposed() : right,
          new Gemm.Matrix(cMemory.address() + 4L * MARGIN, 4L * rowLength, 4),
          accumulate,
          arena.allocate(Gemm.SCRATCH_BYTES, 64).address());
      for (int i = 0; i < m; i++) {
        for (int j = 0; j < n; j++) {
          double sum = accumulate ? c[i * n + j] : 0;
          double magnitude = Math.abs(sum);
          for (int p = 0; p < k; p++) {
            double x = aTransposed ? a[p * m + i] : a[i * k + p];
            double y = bTransposed ? b[j * k + p] : b[p * n + j];
            sum += x * y;
            magnitude += Math.abs(x * y);
          }
          // k fused multiply-adds and one addition, each rounded once: at most k + 1 half units of
          // the largest partial sum, which is below the sum of magnitudes.
          assertEquals(
              sum,
              cMemory.getAtIndex(ValueLayout.JAVA_FLOAT, MARGIN + i * rowLength + j),
              (k + 1) * 0x1p-24 * magnitude,
              "[%d, %d] of %dx%dx%d".formatted(i, j, m, n, k));
        }
      }
      checkGuards(cMemory, m, n, rowLength);
    }
  }

  private static void checkGuards(MemorySegment c, int m, int n, int rowLength) {
    for (int i = 0; i < c.byteSize() / 4; i++) {
      int at = i - MARGIN;
      boolean inside = at >= 0 && at < m * rowLength && at % rowLength < n;
      if (!inside) {
        assertEquals(GUARD, c.getAtIndex(ValueLayout.JAVA_FLOAT, i), "guard " + at);
      }
    }
  }

  private static float[] gaussians(Random random, int n) {
    float[] out = new float[n];
    for (int i = 0; i < n; i++) {
      out[i] = (float) random.nextGaussian();
    }
    return out;
  }
}
