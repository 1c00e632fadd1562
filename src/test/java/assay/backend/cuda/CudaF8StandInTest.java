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
import assay.checkpoint.SafetensorsModel;
import assay.engine.Golden;
import assay.engine.Session;
import assay.engine.SessionOptions;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.Presets;
import assay.tensor.Arena;
import assay.tensor.Tensor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Products of e4m3 activations and weights in models, on stand-ins of cards with and without. */
class CudaF8StandInTest {
  private static final int NOT_SUPPORTED = 15;
  private static final int EXECUTION_FAILED = 13;

  @AfterEach
  void nothingIsLeftOnTheDevice() {
    assertEquals(0, StandIn.liveBytes(), "bytes still allocated");
    assertEquals(0, StandIn.liveObjects(), "handles, plans or contexts still open");
    StandIn.reset(StandIn.USUAL_BYTES, 80);
  }

  @Test
  void oneRoundingOfEachActivationAndOneOfEachResult() {
    try (CudaBackend backend = StandIn.open(90)) {
      F8Cases.products(backend, new int[] {16, 208, 4112}, 0);
    }
  }

  @Test
  void whatIsNotFiniteStaysSo() {
    try (CudaBackend backend = StandIn.open(89);
        Lab lab = new Lab(backend);
        Arena _ = F8Cases.reserve(backend, Precision.FP8, F8Cases.WIDE, 13)) {
      float[] x = Lab.random(3, 13 * 32);
      x[2 * 32 + 5] = Float.NaN;
      x[4 * 32 + 31] = Float.NEGATIVE_INFINITY;
      Tensor out = lab.poisoned(DType.BF16, 13, 16);
      backend.matmul(
          lab.floats(DType.BF16, 13, 32, x),
          lab.weight(DType.F8E4M3, 16, 32, F8Cases.codes(512)),
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
      try (Arena _ = F8Cases.reserve(backend, Precision.FP8, F8Cases.WIDE, 13)) {
        assertFalse(java.util.Arrays.equals(whole, product(lab, backend, xs, ones, 16, false)));
        assertEquals(whole[0], product(lab, backend, xs, odd, 13, false)[0]);
        assertEquals(whole[0], product(lab, backend, xs, plain, 16, false)[0]);
        assertEquals(whole[0] + 1, product(lab, backend, xs, ones, 16, true)[0], 0.02);
        Tensor few = xs.rows(0, 8);
        Tensor out = lab.poisoned(DType.BF16, 8, 16);
        backend.matmul(few, ones, out, false);
        assertEquals(whole[0], lab.read(out)[0]);
      }
      try (Arena _ = F8Cases.reserve(backend, Precision.BF16, F8Cases.WIDE, 13)) {
        assertEquals(whole[0], product(lab, backend, xs, ones, 16, false)[0]);
      }
      try (Arena _ = F8Cases.reserve(backend, Precision.FP8, F8Cases.config(208, 172), 13)) {
        assertEquals(
            whole[0], product(lab, backend, xs, ones, 16, false)[0], "a model's odd width");
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
        Arena _ = F8Cases.reserve(backend, Precision.FP8, F8Cases.WIDE, 16)) {
      Tensor x = lab.floats(DType.BF16, 16, 208, F8Cases.rows(16, 208));
      Tensor w = lab.weight(DType.F8E4M3, 16, 208, F8Cases.codes(16 * 208));
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
      assertEquals("fp8 weights × bf16, sums in fp32", backend.arithmetic(Precision.FP8, llama, 8));
      assertEquals(
          "bf16 tensor cores over converted fp8 weights, sums in fp32",
          backend.arithmetic(Precision.FP8, F8Cases.config(208, 172), 512));
      assertEquals(Precision.FP8, backend.multipliesIn(Precision.FP8, llama, 9));
      assertEquals(Precision.BF16, backend.multipliesIn(Precision.FP8, llama, 8));
      assertEquals(
          Precision.BF16, backend.multipliesIn(Precision.FP8, F8Cases.config(208, 172), 9));
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
      assertEquals(Precision.FP8, backend.multipliesIn(Precision.FP8, F8Cases.WIDE, 512));
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
        Arena _ = F8Cases.reserve(backend, Precision.FP8, F8Cases.WIDE, 13)) {
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
