package assay.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.DeviceException;
import assay.backend.InputRounding;
import assay.backend.Lab;
import assay.backend.Recording;
import assay.backend.SessionShape;
import assay.checkpoint.SafetensorsModel;
import assay.engine.Golden;
import assay.engine.Session;
import assay.engine.SessionOptions;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.NumberFormat;
import assay.model.Precision;
import assay.model.Presets;
import assay.tensor.Arena;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Products of e4m3 activations and weights in models, on stand-ins of cards with and without. */
class CudaF8StandInTest {
  private static final int NOT_SUPPORTED = 15;
  private static final int EXECUTION_FAILED = 13;
  private static final ModelConfig WIDE = config(208, 4112);

  private static ModelConfig config(int hidden, int inner) {
    return ModelConfig.builder("f8", "llama")
        .size(1, hidden, inner)
        .heads(13, 13, 16)
        .tokens(320, 64)
        .build();
  }

  @AfterEach
  void nothingIsLeftOnTheDevice() {
    assertEquals(0, StandIn.liveBytes(), "bytes still allocated");
    assertEquals(0, StandIn.liveObjects(), "handles, plans or contexts still open");
    StandIn.reset(StandIn.USUAL_BYTES, 80);
  }

  /** A session's scratch for passes of so many rows, handed over. */
  private static Arena reserve(CudaBackend backend, Precision p, ModelConfig c, int rows) {
    SessionShape shape = new SessionShape(c, p, 1, rows, rows, 1);
    Arena arena = backend.newArena(MemoryCategory.WORKSPACE, backend.workspaceBytes(shape));
    backend.reserveWorkspace(shape, arena);
    return arena;
  }

  private static float bf16(double value) {
    return NumberFormat.fromBf16(NumberFormat.toBf16((float) value));
  }

  /** Rows of very different sizes, a row of zeros, one of the smallest numbers. */
  private static float[] rows(int n, int width) {
    float[] out = new float[n * width];
    Random r = new Random(n);
    for (int i = 0; i < out.length; i++) {
      int row = i / width;
      double size = row == 1 ? 0 : row == 2 ? 0x1p-120 : Math.pow(10, row % 9 - 4);
      out[i] = bf16(r.nextGaussian() * size);
    }
    return out;
  }

  private static double factor(float[] x, int row, int width) {
    float largest = 0;
    for (int i = 0; i < width; i++) {
      largest = Math.max(largest, Math.abs(x[row * width + i]));
    }
    double f = 0x1p-126;
    while (largest > 448 * f) {
      f *= 2;
    }
    return f;
  }

  /** What the stand-in must give: sums in fp64 of e4m3 numbers, rounded once to the result's type. */
  private static float expected(
      float[] x, int row, float[] w, int output, int width, float scale, DType type) {
    double f = factor(x, row, width);
    double sum = 0;
    for (int i = 0; i < width; i++) {
      byte code = NumberFormat.toF8E4M3((float) (x[row * width + i] / f));
      sum += (double) NumberFormat.fromF8E4M3(code) * w[output * width + i];
    }
    double product = scale * sum;
    return (float) ((type == DType.BF16 ? bf16(product) : (float) product) * f);
  }

  private static float[] codes(int n) {
    float[] out = Lab.random(n, n);
    for (int i = 0; i < n; i++) {
      out[i] = NumberFormat.fromF8E4M3(NumberFormat.toF8E4M3(100 * out[i]));
    }
    return out;
  }

  @Test
  void oneRoundingOfEachActivationAndOneOfEachResult() {
    try (CudaBackend backend = StandIn.open(90);
        Lab lab = new Lab(backend);
        Arena scratch = reserve(backend, Precision.FP8, WIDE, 207)) {
      long own = backend.memoryBooks().scratchBytes();
      float scale = 0.0037f;
      for (int width : new int[] {16, 208, 4112}) {
        for (int outputs : new int[] {16, 48}) {
          float[] w = codes(outputs * width);
          Tensor weight = lab.weight(DType.F8E4M3, outputs, width, w).scaledBy(scale);
          for (int n : new int[] {9, 13, width == 208 ? 207 : 10}) {
            float[] x = rows(n, width);
            Tensor xs = lab.floats(DType.BF16, n, width, x);
            for (DType type : new DType[] {DType.BF16, DType.F32}) {
              Tensor out = lab.poisoned(type, n, outputs);
              backend.matmul(xs, weight, out, false);
              float[] actual = lab.read(out);
              for (int i = 0; i < actual.length; i++) {
                float e = expected(x, i / outputs, w, i % outputs, width, scale, type);
                assertEquals(e, actual[i], "%s %d: row %d".formatted(type, n, i / outputs));
              }
            }
          }
        }
      }
      assertEquals(own, backend.memoryBooks().scratchBytes(), "no scratch but the session's");
      assertTrue(scratch.reservedBytes() > 0);
    }
  }

  @Test
  void whatIsNotFiniteStaysSo() {
    try (CudaBackend backend = StandIn.open(89);
        Lab lab = new Lab(backend);
        Arena _ = reserve(backend, Precision.FP8, WIDE, 13)) {
      float[] x = Lab.random(3, 13 * 32);
      x[2 * 32 + 5] = Float.NaN;
      x[4 * 32 + 31] = Float.NEGATIVE_INFINITY;
      Tensor out = lab.poisoned(DType.BF16, 13, 16);
      backend.matmul(
          lab.floats(DType.BF16, 13, 32, x),
          lab.weight(DType.F8E4M3, 16, 32, codes(512)),
          out,
          false);
      float[] y = lab.read(out);
      for (int i = 0; i < y.length; i++) {
        boolean lost = i / 16 == 2 || i / 16 == 4;
        assertEquals(lost, Float.isNaN(y[i]), "row " + i / 16);
      }
    }
  }

  /** Everything else in such a session, and everything in others: activations stay as they are. */
  @Test
  void onlyWhatTheRuleSays() {
    try (CudaBackend backend = StandIn.open(90);
        Lab lab = new Lab(backend)) {
      float[] x = Lab.random(5, 13 * 32);
      Tensor xs = lab.floats(DType.BF16, 13, 32, x);
      Tensor ones = lab.weight(DType.F8E4M3, 16, 32, ones(512));
      Tensor odd = lab.weight(DType.F8E4M3, 13, 32, ones(13 * 32));
      Tensor plain = lab.weight(DType.BF16, 16, 32, ones(512));
      float[] whole = product(lab, backend, xs, plain, 16, false);
      try (Arena _ = reserve(backend, Precision.FP8, WIDE, 13)) {
        assertFalse(java.util.Arrays.equals(whole, product(lab, backend, xs, ones, 16, false)));
        assertEquals(whole[0], product(lab, backend, xs, odd, 13, false)[0]);
        assertEquals(whole[0], product(lab, backend, xs, plain, 16, false)[0]);
        assertEquals(whole[0] + 1, product(lab, backend, xs, ones, 16, true)[0], 0.02);
        Tensor few = xs.rows(0, 8);
        Tensor out = lab.poisoned(DType.BF16, 8, 16);
        backend.matmul(few, ones, out, false);
        assertEquals(whole[0], lab.read(out)[0]);
      }
      try (Arena _ = reserve(backend, Precision.BF16, WIDE, 13)) {
        assertEquals(whole[0], product(lab, backend, xs, ones, 16, false)[0]);
      }
      try (Arena _ = reserve(backend, Precision.FP8, config(208, 172), 13)) {
        assertEquals(whole[0], product(lab, backend, xs, ones, 16, false)[0], "a model's odd width");
      }
    }
  }

  private static float[] ones(int n) {
    float[] out = new float[n];
    java.util.Arrays.fill(out, 1);
    return out;
  }

  private static float[] product(
      Lab lab, CudaBackend backend, Tensor x, Tensor w, int outputs, boolean accumulate) {
    Tensor out = lab.floats(DType.BF16, x.rows(), outputs, ones(x.rows() * outputs));
    backend.matmul(x, w, out, accumulate);
    return lab.read(out);
  }

  @Test
  void aRecordingReplaysIt() {
    try (CudaBackend backend = StandIn.open(90);
        Lab lab = new Lab(backend);
        Arena _ = reserve(backend, Precision.FP8, WIDE, 16)) {
      Tensor x = lab.floats(DType.BF16, 16, 208, rows(16, 208));
      Tensor w = lab.weight(DType.F8E4M3, 16, 208, codes(16 * 208));
      Tensor out = lab.poisoned(DType.F32, 16, 16);
      try (Recording r = backend.record(() -> backend.matmul(x, w, out, false))) {
        float[] first = lab.read(out);
        lab.writeFloats(out, new float[256]);
        r.replay();
        assertEquals(first[255], lab.read(out)[255]);
        assertTrue(first[255] != 0);
      }
    }
  }

  @Test
  void saysWhichArithmeticRuns() {
    ModelConfig llama = Presets.byName().get("tinyllama-1.1b");
    try (CudaBackend backend = StandIn.open(90)) {
      assertNull(new Inside(backend, llama).odd());
      assertTrue(backend.arithmetic(Precision.FP8, llama, 512).startsWith("e4m3 × e4m3"));
      assertTrue(backend.arithmetic(Precision.FP8, llama, 9).startsWith("e4m3 × e4m3"));
      assertEquals(
          "fp8 weights × bf16, sums in fp32", backend.arithmetic(Precision.FP8, llama, 8));
      assertEquals(
          "bf16 tensor cores over converted fp8 weights, sums in fp32",
          backend.arithmetic(Precision.FP8, config(208, 172), 512));
      assertEquals(Precision.FP8, backend.multipliesIn(Precision.FP8, llama, 9));
      assertEquals(Precision.BF16, backend.multipliesIn(Precision.FP8, llama, 8));
      assertEquals(Precision.BF16, backend.multipliesIn(Precision.FP8, config(208, 172), 9));
      assertEquals(Precision.FP16, backend.multipliesIn(Precision.INT8, llama, 512));
      assertEquals(Precision.FP32, backend.multipliesIn(Precision.TF32, llama, 1));
    }
    try (CudaBackend backend = StandIn.open(86)) {
      assertEquals(Precision.BF16, backend.multipliesIn(Precision.FP8, llama, 512));
      assertEquals(
          "bf16 tensor cores over converted fp8 weights, sums in fp32 (e4m3 × e4m3: needs compute"
              + " capability 8.9)",
          backend.arithmetic(Precision.FP8, true));
    }
  }

  /** What the check against the reference is told, product by product. */
  private record Inside(CudaBackend backend, ModelConfig c) {
    String odd() {
      try (Lab lab = new Lab(backend)) {
        Tensor even = lab.weight(DType.F8E4M3, 16, 32, new float[512]);
        Tensor odd = lab.weight(DType.F8E4M3, 13, 32, new float[13 * 32]);
        Tensor bf16 = lab.weight(DType.BF16, 16, 32, new float[512]);
        boolean right =
            rounding(even, 9) == InputRounding.FP8_ROWS
                && rounding(even, 8) == InputRounding.NONE
                && rounding(odd, 9) == InputRounding.NONE
                && rounding(bf16, 9) == InputRounding.NONE;
        return right ? null : "a product is described wrongly";
      }
    }

    private InputRounding rounding(Tensor weight, int rows) {
      return backend.inputRounding(Precision.FP8, c, rows, weight);
    }
  }

  @Test
  void aLibraryThatRefusesIsFoundOutBeforeTheRun() {
    ModelConfig llama = Presets.byName().get("tinyllama-1.1b");
    StandIn.reset(StandIn.USUAL_BYTES, 90);
    StandIn.fail("cublasLtMatmulAlgoGetHeuristic", 0, NOT_SUPPORTED);
    try (CudaBackend backend = CudaDevices.open(StandIn.libraries(), 0)) {
      assertTrue(backend.arithmetic(Precision.FP8, true).endsWith("none for this card)"));
      assertEquals(Precision.BF16, backend.multipliesIn(Precision.FP8, llama, 512));
    }
    try (CudaBackend backend = StandIn.open(90)) {
      StandIn.fail("cublasLtMatmulAlgoGetHeuristic", 2, NOT_SUPPORTED); // one matrix of the model
      assertEquals(Precision.BF16, backend.multipliesIn(Precision.FP8, llama, 512));
      assertEquals(Precision.FP8, backend.multipliesIn(Precision.FP8, WIDE, 512));
    }
  }

  @Test
  void failuresAreNamedAndLeaveNothing() {
    StandIn.reset(StandIn.USUAL_BYTES, 90);
    StandIn.fail("cublasLtCreate", 0, EXECUTION_FAILED);
    assertNotNull(
        assertThrows(DeviceException.class, () -> CudaDevices.open(StandIn.libraries(), 0)));
    assertEquals(0, StandIn.liveBytes());
    StandIn.reset(StandIn.USUAL_BYTES, 90);
    StandIn.fail("run advance", 0, 700);
    assertThrows(DeviceException.class, () -> CudaDevices.open(StandIn.libraries(), 0));
    assertEquals(0, StandIn.liveBytes());
    try (CudaBackend backend = StandIn.open(90);
        Lab lab = new Lab(backend);
        Arena _ = reserve(backend, Precision.FP8, WIDE, 13)) {
      Tensor x = lab.floats(DType.BF16, 13, 32, ones(13 * 32));
      Tensor w = lab.weight(DType.F8E4M3, 16, 32, ones(512));
      Tensor out = lab.poisoned(DType.BF16, 13, 16);
      StandIn.fail("cublasLtMatmulAlgoGetHeuristic", 0, NOT_SUPPORTED);
      DeviceException e =
          assertThrows(DeviceException.class, () -> backend.matmul(x, w, out, false));
      assertEquals(
          "CUBLAS_STATUS_NOT_SUPPORTED in cublasLtMatmulAlgoGetHeuristic of F8E4M3 [13, 32] with"
              + " [16, 32]",
          e.getMessage());
    }
  }

  /** A whole model: what its session reserves is all that is allocated. */
  @Test
  void aSessionTakesWhatIsPredicted() {
    Golden golden =
        Golden.all().stream().filter(g -> g.name().equals("qwen2")).findFirst().orElseThrow();
    try (CudaBackend backend = StandIn.open(90);
        SafetensorsModel model = SafetensorsModel.open(golden.folder())) {
      long own = backend.memoryBooks().scratchBytes();
      try (Session session =
          Session.open(backend, model, SessionOptions.of(Precision.FP8, 2, 32))) {
        session.start(new int[][] {new int[20], new int[20]});
        session.enqueuePrefill();
        backend.await();
        assertEquals(own, backend.memoryBooks().scratchBytes());
      }
    }
  }
}
