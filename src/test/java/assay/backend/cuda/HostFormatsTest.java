package assay.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.Lab;
import assay.checkpoint.RandomWeights;
import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.NumberFormat;
import assay.model.Presets;
import assay.model.TensorSpec;
import assay.model.WeightLayout;
import assay.tensor.HostBuffer;
import assay.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Kernels between number formats, on the CPU: convert, quantize, dequantize, random and the largest
 * magnitudes, bit for bit what the host's own code makes.
 */
class HostFormatsTest {
  private static final int[] WIDTHS = {1, 13, 207, 4098};
  private HostKernelBackend host;
  private Lab lab;

  @BeforeEach
  void open() {
    host = new HostKernelBackend(new HostKernels(3), true);
    lab = new Lab(host);
  }

  @AfterEach
  void close() {
    lab.close();
    assertEquals(0, host.liveBytes());
    host.close();
  }

  /** Halfway cases, subnormals, the largest and beyond, infinities, NaN; then anything. */
  private static float[] awkward(int n) {
    float[] special = {
      0f,
      -0f,
      1f,
      -1f,
      0x1.01p0f,
      0x1.03p0f,
      0x1.002p0f,
      0x1.006p0f,
      65504f,
      65519f,
      65520f,
      1e30f,
      -1e30f,
      0x1p-14f,
      0x1p-15f,
      0x1p-24f,
      0x1p-25f,
      0x1.8p-25f,
      0x1p-26f,
      0x1p-126f,
      0x1p-140f,
      Float.MAX_VALUE,
      Float.POSITIVE_INFINITY,
      Float.NEGATIVE_INFINITY,
      Float.NaN
    };
    float[] out = new float[n];
    java.util.Random r = new java.util.Random(n);
    for (int i = 0; i < n; i++) {
      out[i] =
          i < special.length
              ? special[i]
              : (float) (r.nextGaussian() * Math.pow(2, r.nextInt(40) - 28));
    }
    return out;
  }

  private static byte[] bytes(DType type, float[] values) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(Math.max(1, type.rowBytes(values.length)), 64);
      BlockFormat.encodeRow(type, values, 0, values.length, out, 0);
      return out.asSlice(0, type.rowBytes(values.length)).toArray(ValueLayout.JAVA_BYTE);
    }
  }

  private static MemorySegment memory(Tensor t) {
    return HostBuffer.of(t).asSlice(t.offsetBytes());
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "F16", "BF16"})
  void convert(DType from) {
    RowOps rows = host.rows();
    for (DType to : new DType[] {DType.F32, DType.F16, DType.BF16}) {
      for (int width : WIDTHS) {
        for (int gap : new int[] {0, 8, 5}) { // whole vectors, and not
          Tensor x = lab.floats(from, 3, width + gap, awkward(3 * (width + gap)));
          Tensor out = lab.poisoned(to, 3, width + gap);
          rows.convert(x.columns(gap, width), out.columns(gap, width));
          float[] in = lab.read(x.columns(gap, width));
          float[] actual = lab.read(out.columns(gap, width));
          float[] expected = lab.read(lab.floats(to, 3, width, in));
          assertArrayEquals(expected, actual, from + " to " + to + ", " + width + " + " + gap);
          for (float f : lab.read(out.columns(0, gap))) {
            assertTrue(Float.isNaN(f), "wrote beside its columns");
          }
        }
      }
    }
  }

  @Test
  void halfOpen() {
    float[] u = {0x1p-32f, 0x1p-26f, 0x1p-25f, 0x1.8p-25f, 0x1p-24f, 0.25f, 0.5f, 0.75f, 1f};
    Tensor x = lab.floats(DType.F32, 1, u.length, u);
    host.tokens().halfOpen(x);
    float below = Math.nextDown(1f);
    assertArrayEquals(
        new float[] {below, below, below, below, below, 0.75f, 0.5f, 0.25f, 0f}, lab.read(x));
  }

  /** Rows 2 and 3 of 5; what lies around them stays as it was. */
  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "F16", "BF16", "F8E4M3", "Q8_0", "Q4_0"})
  void quantize(DType type) {
    for (int width : WIDTHS) {
      for (int gap : new int[] {0, 5}) {
        float scale = type == DType.F8E4M3 ? 0.37f : 1;
        Tensor w = lab.weight(type, 5, width, Lab.random(9, 5 * width)).scaledBy(scale);
        byte[] before = lab.weightBytes(w);
        float[] values = Lab.random(width, 2 * (width + gap));
        if (!type.isBlocked()) {
          float[] special = awkward(Math.min(25, width));
          System.arraycopy(special, 0, values, gap, special.length);
        }
        Tensor x = lab.floats(DType.F32, 2, width + gap, values).columns(gap, width);
        host.matrices().quantize(x, w, 2);
        byte[] after = lab.weightBytes(w);
        int rowBytes = Math.toIntExact(type.rowBytes(width));
        byte[] expected = before.clone();
        for (int r = 0; r < 2; r++) {
          float[] row = new float[width];
          for (int i = 0; i < width; i++) {
            row[i] = values[r * (width + gap) + gap + i] / scale;
          }
          System.arraycopy(bytes(type, row), 0, expected, (2 + r) * rowBytes, rowBytes);
        }
        if (type == DType.F32 || type == DType.F16 || type == DType.BF16) {
          // Which NaN is left open.
          assertArrayEquals(decode(type, expected, width), decode(type, after, width));
        } else {
          assertArrayEquals(expected, after, type + " " + width + " + " + gap);
        }
      }
    }
  }

  private static float[] decode(DType type, byte[] rows, int width) {
    float[] out = new float[5 * width];
    for (int r = 0; r < 5; r++) {
      BlockFormat.decodeRow(
          type, MemorySegment.ofArray(rows), r * type.rowBytes(width), width, out, r * width);
    }
    return out;
  }

  /** All 256 codes of e4m3, times the matrix' factor. */
  @Test
  void everyFp8CodeIsDecoded() {
    byte[] codes = new byte[256];
    for (int i = 0; i < 256; i++) {
      codes[i] = (byte) i;
    }
    for (float scale : new float[] {1, 0.37f}) {
      for (int shift : new int[] {0, 3}) { // whole vectors, and not
        Tensor w = lab.weight(DType.F8E4M3, 1, 256, new float[256]).scaledBy(scale);
        memory(w).copyFrom(MemorySegment.ofArray(codes));
        Tensor out = lab.poisoned(DType.F32, 1, 256 + shift).columns(shift, 256);
        host.matrices().dequantize(w, 0, out);
        float[] actual = lab.read(out);
        for (int i = 0; i < 256; i++) {
          float expected = NumberFormat.fromF8E4M3((byte) i) * scale;
          assertEquals(expected, actual[i], "code " + i);
        }
        assertTrue(Float.isNaN(actual[0x7f]) && Float.isNaN(actual[0xff]));
      }
    }
  }

  /** Every code, every middle between two and its neighbours, and everything beyond. */
  @Test
  void fp8RoundsToTheNearestEvenAndSaturates() {
    List<Float> values = new ArrayList<>();
    for (int i = 0; i < 0x7f; i++) {
      float code = NumberFormat.fromF8E4M3((byte) i);
      float next = i < 0x7e ? NumberFormat.fromF8E4M3((byte) (i + 1)) : 480;
      float middle = (code + next) / 2;
      for (float v : new float[] {code, middle, Math.nextDown(middle), Math.nextUp(middle)}) {
        values.add(v);
        values.add(-v);
      }
    }
    values.addAll(
        List.of(448f, 449f, 464f, 465f, 1e30f, -1e30f, Float.MAX_VALUE, 0x1p-10f, 0x1p-11f));
    values.addAll(List.of(0x1p-140f, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, Float.NaN));
    float[] x = new float[values.size()];
    for (int i = 0; i < x.length; i++) {
      x[i] = values.get(i);
    }
    Tensor w = lab.weight(DType.F8E4M3, 1, x.length, new float[x.length]);
    host.matrices().quantize(lab.floats(DType.F32, 1, x.length, x), w, 0);
    byte[] actual = lab.weightBytes(w);
    for (int i = 0; i < x.length; i++) {
      assertEquals(NumberFormat.toF8E4M3(x[i]), actual[i], "code of " + x[i]);
    }
    assertEquals((byte) 0x7e, NumberFormat.toF8E4M3(1e30f), "the reference saturates");
    assertEquals((byte) 0x7f, (byte) (actual[x.length - 1] & 0x7f), "NaN stays NaN");
  }

  /**
   * Rows of a pass to e4m3 with their powers of two, and a product's rows back; 9001: read twice.
   */
  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "F16", "BF16"})
  void rowsToF8AndBack(DType type) {
    for (int width : new int[] {1, 13, 207, 4098, 9001}) {
      for (int gap : new int[] {0, 16, 5}) { // whole vectors, and not
        float[] values = Lab.random(width, 3 * (width + gap));
        for (int i = 0; i < width + gap; i++) {
          values[i] *= 300;
          values[2 * (width + gap) + i] = 0;
        }
        Tensor x = lab.floats(type, 3, width + gap, values).columns(gap, width);
        Tensor out = lab.weight(DType.F8E4M3, 3, width + gap, new float[3 * (width + gap)]);
        Tensor factors = lab.poisoned(DType.F32, 1, 3);
        host.rows().roundF8(x, out.columns(gap, width), factors);
        float[] in = lab.read(x);
        float[] f = lab.read(factors);
        byte[] codes = lab.weightBytes(out);
        for (int i = 0; i < in.length; i++) {
          int row = i / width;
          assertEquals(F8Cases.factor(in, row, width), f[row]);
          byte expected = NumberFormat.toF8E4M3(in[i] / f[row]);
          assertEquals(
              expected, codes[row * (width + gap) + gap + i % width], type + " element " + i);
        }
        for (int i = 0; i < gap; i++) {
          assertEquals(0, codes[i], "wrote beside its columns");
        }
        host.rows().scaleRows(x, factors);
        float[] scaled = lab.read(x);
        float[] wanted = new float[in.length];
        for (int i = 0; i < in.length; i++) {
          wanted[i] = in[i] * f[i / width];
        }
        assertArrayEquals(lab.read(lab.floats(type, 3, width, wanted)), scaled, "scaled back");
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 13, 207, 4098})
  void absmax(int n) {
    for (int largest : new int[] {0, n / 2, n - 1}) {
      float[] values = Lab.random(n, n);
      values[largest] = -17.25f;
      Tensor result = lab.floats(DType.F32, 1, 1, new float[1]);
      host.matrices().absmax(result, lab.floats(DType.F32, 1, n, values));
      assertEquals(17.25f, lab.read(result)[0]);
      host.matrices().absmax(result, lab.floats(DType.F32, 1, 1, new float[] {3}));
      assertEquals(17.25f, lab.read(result)[0], "the maximum with what was there");
    }
  }

  /** cuRAND's uniforms, here given, into rows 1 and 2 of 4 in every type. */
  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "F16", "BF16", "F8E4M3", "Q8_0", "Q4_0"})
  void randomUniform(DType type) {
    java.util.Random random = new java.util.Random(11);
    for (int width : WIDTHS) {
      float scale = type == DType.F8E4M3 ? 0.0009f : 1;
      Tensor w = lab.weight(type, 4, width, Lab.random(5, 4 * width)).scaledBy(scale);
      byte[] expected = lab.weightBytes(w);
      float[] u = new float[2 * width];
      int rowBytes = Math.toIntExact(type.rowBytes(width));
      for (int r = 0; r < 2; r++) {
        float[] row = new float[width];
        for (int i = 0; i < width; i++) {
          float v = 1 - random.nextFloat();
          u[r * width + i] = v;
          row[i] = ((v - 0.5f) * 0.7f + 0.01f) / scale;
        }
        System.arraycopy(bytes(type, row), 0, expected, (1 + r) * rowBytes, rowBytes);
      }
      long uniforms = HostKernelBackend.address(lab.floats(DType.F32, 2, width, u));
      host.matrices().randomUniform(w, 1, 2, uniforms, 0.7f, 0.01f);
      assertArrayEquals(expected, lab.weightBytes(w), type + " " + width);
    }
  }

  /** Rows from the middle of a tensor on, in every type: the bits of RandomWeights. */
  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "F16", "BF16", "F8E4M3", "Q8_0", "Q4_0"})
  void random(DType type) {
    RandomWeights source = new RandomWeights(Presets.byName().get("tinyllama-1.1b"), 20_261_122);
    for (TensorSpec spec : WeightLayout.of(source.config()).subList(0, 3)) {
      int columns = Math.toIntExact(spec.columns());
      int firstRow = spec.rows() > 4 ? 2 : 0;
      Tensor w = lab.weight(type, 3, columns, new float[3 * columns]);
      byte[] expected = lab.weightBytes(w);
      try (Arena arena = Arena.ofConfined()) {
        long rowBytes = type.rowBytes(columns);
        MemorySegment row = arena.allocate(rowBytes, 64);
        source.read(spec, firstRow, 1, type, row);
        System.arraycopy(
            row.toArray(ValueLayout.JAVA_BYTE), 0, expected, (int) rowBytes, (int) rowBytes);
      }
      var s = source.randomStream(spec).orElseThrow();
      long firstElement = (long) firstRow * columns;
      host.matrices().random(w, 1, 1, s.key(), firstElement, s.factor(), s.offset());
      assertArrayEquals(expected, lab.weightBytes(w), spec.toString());

      float largest = 0;
      Tensor plain = lab.weight(DType.F32, 1, columns, new float[columns]);
      host.matrices().random(plain, 0, 1, s.key(), firstElement, s.factor(), s.offset());
      for (float f : lab.read(plain)) {
        largest = Math.max(largest, Math.abs(f));
      }
      Tensor result = lab.floats(DType.F32, 1, 1, new float[1]);
      host.matrices().randomAbsmax(result, s.key(), firstElement, s.factor(), s.offset(), columns);
      assertEquals(largest, lab.read(result)[0]);
    }
  }
}
