package assay.backend.cpu.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.InputRounding;
import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.NumberFormat;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Kernels against plain loops in fp64, on sizes that are no multiples of anything, with guarded
 * outputs.
 */
abstract class AbstractKernelsTest {
  private static final int SEED = 7;
  private static final float GUARD = 12345;

  private Kernels kernels;

  /** The kernels under test. */
  abstract Kernels kernels();

  @BeforeEach
  void open() {
    kernels = kernels();
  }

  @AfterEach
  void close() {
    kernels.close();
  }

  static Stream<Arguments> shapes() {
    return Stream.of(DType.F32, DType.F16, DType.BF16, DType.Q8_0, DType.Q4_0)
        .flatMap(
            type ->
                Stream.of(1, 2, 3, 4, 5, 13, 31, 32, 33, 64, 207, 511, 512)
                    .map(columns -> Arguments.of(type, columns)));
  }

  /** Full panels of random weights, in memory and as numbers. */
  private static final class Panels {
    final MemorySegment memory;
    final float[][] values;
    final long panelBytes;

    Panels(Arena arena, DType type, int panels, int columns, Random random) {
      int rows = panels * PanelLayout.ROWS;
      long rowBytes = type.rowBytes(columns);
      panelBytes = PanelLayout.ROWS * rowBytes;
      memory = arena.allocate(panels * panelBytes, 64);
      values = new float[rows][columns];
      MemorySegment row = arena.allocate(rowBytes, 64);
      for (int r = 0; r < rows; r++) {
        BlockFormat.encodeRow(type, gaussian(random, columns), 0, columns, row, 0);
        BlockFormat.decodeRow(type, row, 0, columns, values[r], 0);
        PanelLayout.writeRow(type, rows, columns, memory.address(), r, row.address());
      }
    }
  }

  private static float[] gaussian(Random random, int count) {
    float[] out = new float[count];
    for (int i = 0; i < count; i++) {
      out[i] = (float) random.nextGaussian();
    }
    return out;
  }

  /**
   * Σ x·w in fp64, and how far an fp32 sum may be off: (n + 3) half units of the last place of
   * Σ|x·w|, plus, where x is quantised to int8, half a step of each block's scale for each of its
   * elements; where x is rounded to bf16, 2⁻⁸ of each product. Products of two bf16 are exact in
   * fp32, so nothing else is rounded there; that vdpbf16ps takes subnormal numbers for zero changes
   * each of its sums by less than the smallest normal one.
   */
  private double[] expected(InputRounding rounding, float[] x, float[] w, float before) {
    double sum = before;
    double magnitude = Math.abs(before);
    double quantisation = 0;
    for (int first = 0; first < x.length; first += 32) {
      int end = Math.min(x.length, first + 32);
      float max = 0;
      double weights = 0;
      for (int k = first; k < end; k++) {
        sum += (double) x[k] * w[k];
        magnitude += Math.abs((double) x[k] * w[k]);
        max = Math.max(max, Math.abs(x[k]));
        weights += Math.abs(w[k]);
      }
      quantisation += weights * max / 127 / 2;
    }
    double sums = (x.length + 3) * 0x1p-24 * magnitude;
    double inputs =
        switch (rounding) {
          case NONE -> 0;
          case INT8_BLOCKS -> quantisation * 1.0001;
          case BF16 -> 0x1p-8 * magnitude * 1.0001 + x.length * 2.0 * Float.MIN_NORMAL;
          default -> throw new IllegalStateException("no bound for " + rounding);
        };
    return new double[] {sum, sums + inputs};
  }

  /** A whole block of columns, the most that one call takes, and one less. */
  @Test
  void wholeBlocks() {
    for (DType type : List.of(DType.F32, DType.F16, DType.BF16, DType.Q8_0, DType.Q4_0)) {
      int columns = kernels.blockColumns(type);
      tile(type, columns, 14, 3, true, new Random(SEED));
      tile(type, columns - 1, 14, 3, true, new Random(SEED));
    }
  }

  @ParameterizedTest
  @MethodSource("shapes")
  void tiles(DType type, int columns) {
    Random random = new Random(SEED);
    for (int rows : new int[] {1, 2, 5, 7, 8, 12, 13, 29}) {
      for (int panels : rows == 13 ? new int[] {1, 2, 5} : new int[] {1, 2}) {
        for (boolean accumulate : new boolean[] {false, true}) {
          tile(type, columns, rows, panels, accumulate, random);
        }
      }
    }
  }

  private void tile(
      DType type, int columns, int rows, int panels, boolean accumulate, Random random) {
    try (Arena arena = Arena.ofConfined()) {
      Panels w = new Panels(arena, type, panels, columns, random);
      float[][] x = new float[rows][];
      MemorySegment packed = arena.allocate(rows * kernels.packedRowBytes(type), 64);
      for (int m = 0; m < rows; m++) {
        x[m] = gaussian(random, columns);
        MemorySegment row = arena.allocateFrom(ValueLayout.JAVA_FLOAT, x[m]);
        kernels.pack(
            type, row.address(), columns, packed.address() + m * kernels.packedRowBytes(type));
      }
      int width = 16 * panels + 3;
      MemorySegment out = guarded(arena, rows * width);
      kernels.multiply(
          type,
          rows,
          panels,
          w.memory.address(),
          w.panelBytes,
          packed.address(),
          out.address(),
          4L * width,
          columns,
          accumulate,
          0,
          scratch(arena, type, panels));
      for (int m = 0; m < rows; m++) {
        for (int n = 0; n < width; n++) {
          float got = out.getAtIndex(ValueLayout.JAVA_FLOAT, m * width + n);
          if (n >= 16 * panels) {
            assertEquals(GUARD, got, "wrote beyond row " + m);
          } else {
            check(type, true, x[m], w.values[n], accumulate, got);
          }
        }
      }
    }
  }

  /** Full of NaN. */
  private long scratch(Arena arena, DType type, int panels) {
    MemorySegment scratch = arena.allocate(kernels.scratchBytes(type, panels), 64);
    return scratch.fill((byte) -1).address();
  }

  private static MemorySegment guarded(Arena arena, int count) {
    float[] guards = new float[count];
    Arrays.fill(guards, GUARD);
    return arena.allocateFrom(ValueLayout.JAVA_FLOAT, guards);
  }

  private void check(
      DType type, boolean manyRows, float[] x, float[] w, boolean accumulate, float got) {
    double[] want = expected(kernels.inputRounding(type, manyRows), x, w, accumulate ? GUARD : 0);
    assertTrue(
        Math.abs(got - want[0]) <= want[1],
        () -> "%s, seed %d: %s for %s ± %s".formatted(type, SEED, got, want[0], want[1]));
  }

  @ParameterizedTest
  @MethodSource("shapes")
  void vectors(DType type, int columns) {
    Random random = new Random(SEED);
    for (boolean accumulate : new boolean[] {false, true}) {
      try (Arena arena = Arena.ofConfined()) {
        int panels = 3;
        Panels w = new Panels(arena, type, panels, columns, random);
        float[] x = gaussian(random, columns);
        MemorySegment row = arena.allocateFrom(ValueLayout.JAVA_FLOAT, x);
        long preparedBytes = kernels.preparedBytes(type, columns);
        if (preparedBytes > 0) {
          MemorySegment prepared = arena.allocate(preparedBytes, 64);
          kernels.prepare(type, row.address(), columns, prepared.address());
          row = prepared;
        }
        MemorySegment out = guarded(arena, 16 * panels + 1);
        kernels.multiplyVector(
            type, panels, w.memory.address(), row.address(), out.address(), columns, accumulate);
        for (int n = 0; n < 16 * panels; n++) {
          check(type, false, x, w.values[n], accumulate, out.getAtIndex(ValueLayout.JAVA_FLOAT, n));
        }
        assertEquals(GUARD, out.getAtIndex(ValueLayout.JAVA_FLOAT, 16L * panels));
      }
    }
  }

  /** Subnormals, infinities and NaNs too. */
  @Test
  void everyHalfConvertsExactly() {
    try (Arena arena = Arena.ofConfined()) {
      int count = 1 << 16;
      MemorySegment halves = arena.allocate(2L * count, 64);
      for (int i = 0; i < count; i++) {
        halves.setAtIndex(ValueLayout.JAVA_SHORT, i, (short) i);
      }
      MemorySegment floats = arena.allocate(4L * count + 4, 64);
      MemorySegment back = arena.allocate(2L * count, 64);
      kernels.halfToFloat(halves.address(), floats.address(), count - 3);
      kernels.floatToHalf(floats.address(), back.address(), count - 3);
      for (int i = 0; i < count - 3; i++) {
        float want = Float.float16ToFloat((short) i);
        float got = floats.getAtIndex(ValueLayout.JAVA_FLOAT, i);
        assertEquals(want, got, "half " + i);
        short again = back.getAtIndex(ValueLayout.JAVA_SHORT, i);
        assertEquals(want, Float.float16ToFloat(again), "back to half " + i);
      }
      assertEquals(0, floats.getAtIndex(ValueLayout.JAVA_FLOAT, count - 3), "wrote too far");
    }
  }

  /** Every upper half with lower halves around the middle: subnormals, infinities and NaNs too. */
  @Test
  void everyBf16ConvertsExactly() {
    int[] lower = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
    try (Arena arena = Arena.ofConfined()) {
      int count = lower.length << 16;
      MemorySegment floats = arena.allocate(4L * count, 64);
      for (int i = 0; i < count; i++) {
        floats.setAtIndex(
            ValueLayout.JAVA_INT, i, ((i / lower.length) << 16) | lower[i % lower.length]);
      }
      MemorySegment shorts = arena.allocate(2L * count, 64);
      MemorySegment back = arena.allocate(4L * count, 64);
      kernels.floatToBf16(floats.address(), shorts.address(), count - 3);
      kernels.bf16ToFloat(shorts.address(), back.address(), count - 3);
      for (int i = 0; i < count - 3; i++) {
        float value = floats.getAtIndex(ValueLayout.JAVA_FLOAT, i);
        short got = shorts.getAtIndex(ValueLayout.JAVA_SHORT, i);
        assertEquals(NumberFormat.toBf16(value), got, "of " + value);
        assertEquals(got << 16, back.getAtIndex(ValueLayout.JAVA_INT, i), "back from " + got);
      }
      assertEquals(0, shorts.getAtIndex(ValueLayout.JAVA_SHORT, count - 3), "wrote too far");
      assertEquals(0, back.getAtIndex(ValueLayout.JAVA_INT, count - 3), "wrote too far");
    }
  }

  /** A weight of fp16 that is subnormal, infinite or NaN, in a panel. */
  @ParameterizedTest
  @MethodSource("specialHalves")
  void specialHalfWeights(int bits) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment panel = arena.allocate(32 * 5, 64);
      panel.setAtIndex(ValueLayout.JAVA_SHORT, 16 * 3 + 9, (short) bits);
      float[] ones = {1, 1, 1, 1, 1};
      MemorySegment x = arena.allocateFrom(ValueLayout.JAVA_FLOAT, ones);
      MemorySegment out = arena.allocate(64, 64);
      kernels.multiplyVector(DType.F16, 1, panel.address(), x.address(), out.address(), 5, false);
      for (int n = 0; n < 16; n++) {
        float want = n == 9 ? Float.float16ToFloat((short) bits) : 0;
        assertEquals(want, out.getAtIndex(ValueLayout.JAVA_FLOAT, n));
      }
    }
  }

  static Stream<Integer> specialHalves() {
    return Stream.of(0x0001, 0x83ff, 0x03ff, 0x0400, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7e00);
  }

  /** A NaN among the activations reaches every output, also where they are quantised. */
  @ParameterizedTest
  @MethodSource("shapes")
  void nanIsNotHidden(DType type, int columns) {
    try (Arena arena = Arena.ofConfined()) {
      Panels w = new Panels(arena, type, 1, columns, new Random(SEED));
      float[] x = gaussian(new Random(SEED), columns);
      x[columns / 2] = Float.NaN;
      for (float got : threeRows(arena, type, w, x)) {
        assertTrue(Float.isNaN(got));
      }
      MemorySegment row = arena.allocateFrom(ValueLayout.JAVA_FLOAT, x);
      if (kernels.preparedBytes(type, columns) > 0) {
        MemorySegment prepared = arena.allocate(kernels.preparedBytes(type, columns), 64);
        kernels.prepare(type, row.address(), columns, prepared.address());
        row = prepared;
      }
      MemorySegment out = arena.allocate(64, 64);
      kernels.multiplyVector(
          type, 1, w.memory.address(), row.address(), out.address(), columns, false);
      for (int n = 0; n < 16; n++) {
        assertTrue(Float.isNaN(out.getAtIndex(ValueLayout.JAVA_FLOAT, n)));
      }
    }
  }

  /** An infinite activation makes every output infinite or NaN, never a number. */
  @ParameterizedTest
  @MethodSource("shapes")
  void infinityIsNotHidden(DType type, int columns) {
    try (Arena arena = Arena.ofConfined()) {
      Panels w = new Panels(arena, type, 1, columns, new Random(SEED));
      float[] x = gaussian(new Random(SEED), columns);
      x[columns - 1] = Float.NEGATIVE_INFINITY;
      float[] got = threeRows(arena, type, w, x);
      for (int n = 0; n < 16; n++) {
        assertFalse(Float.isFinite(got[n]), type + " output " + n + " is " + got[n]);
      }
    }
  }

  /** The outputs of the middle one of three rows, all of them {@code x}. */
  private float[] threeRows(Arena arena, DType type, Panels w, float[] x) {
    MemorySegment row = arena.allocateFrom(ValueLayout.JAVA_FLOAT, x);
    long rowBytes = kernels.packedRowBytes(type);
    MemorySegment packed = arena.allocate(3 * rowBytes, 64);
    // What lies behind a row must not matter.
    packed.fill((byte) -1);
    for (int m = 0; m < 3; m++) {
      kernels.pack(type, row.address(), x.length, packed.address() + m * rowBytes);
    }
    MemorySegment out = arena.allocate(3 * 64, 64);
    kernels.multiply(
        type,
        3,
        1,
        w.memory.address(),
        w.panelBytes,
        packed.address(),
        out.address(),
        64,
        x.length,
        false,
        0,
        scratch(arena, type, 1));
    return out.asSlice(64, 64).toArray(ValueLayout.JAVA_FLOAT);
  }

  /** Numbers below the smallest normal one may be lost, but never more than they are worth. */
  @Test
  void tinyActivationsAndWeights() {
    try (Arena arena = Arena.ofConfined()) {
      for (DType type : new DType[] {DType.F32, DType.BF16}) {
        int columns = 5;
        MemorySegment panel = arena.allocate(64L * columns, 64);
        MemorySegment stored = arena.allocate(type.rowBytes(columns), 64);
        float[] weights = {1e-39f, 1, -1e-40f, 1, 2};
        BlockFormat.encodeRow(type, weights, 0, columns, stored, 0);
        PanelLayout.writeRow(type, 16, columns, panel.address(), 3, stored.address());
        MemorySegment x = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1, 2e-39f, 1, -1e-38f, 0);
        MemorySegment packed = arena.allocate(2 * kernels.packedRowBytes(type), 64);
        for (int m = 0; m < 2; m++) {
          long to = packed.address() + m * kernels.packedRowBytes(type);
          kernels.pack(type, x.address(), columns, to);
        }
        MemorySegment out = arena.allocate(128, 64);
        kernels.multiply(
            type,
            2,
            1,
            panel.address(),
            64L * columns,
            packed.address(),
            out.address(),
            64,
            columns,
            false,
            0,
            scratch(arena, type, 1));
        double want = 1e-39 + 2e-39 - 1e-40 - 1e-38;
        float got = out.getAtIndex(ValueLayout.JAVA_FLOAT, 16 + 3);
        assertEquals(want, got, 2 * columns * (double) Float.MIN_NORMAL, type.toString());
      }
    }
  }
}
