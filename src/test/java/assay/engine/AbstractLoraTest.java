package assay.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.Backend;
import assay.backend.SessionShape;
import assay.checkpoint.AdaptedWeights;
import assay.checkpoint.MergedWeights;
import assay.checkpoint.SafetensorsFile;
import assay.checkpoint.SafetensorsModel;
import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.WeightSource;
import assay.tensor.Arena;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * LoRA adapters on a back end: against PEFT's own logits, against sums in fp64, and merged against
 * unmerged (claim T9).
 */
abstract class AbstractLoraTest {
  private static final Path ADAPTERS = Path.of("src/test/resources/lora");
  private static final Path MODELS = Path.of("src/test/resources/golden");
  private static final double U = 0x1p-24;

  /** A fresh back end. */
  protected abstract Backend backend();

  @ParameterizedTest
  @CsvSource({
    "llama-patterns, llama",
    "llama-rslora, llama",
    "qwen2-all, qwen2",
    "mistral-layer, mistral",
    "gpt2, gpt2"
  })
  void agreesWithPeft(String adapter, String base) {
    Path folder = ADAPTERS.resolve(adapter);
    try (Backend backend = backend();
        SafetensorsFile expected = SafetensorsFile.open(folder.resolve("expected.safetensors"));
        AdaptedWeights weights =
            AdaptedWeights.of(SafetensorsModel.open(MODELS.resolve(base)), folder);
        MergedWeights merged = new MergedWeights(weights.base(), weights.adapter())) {
      int[][] ids = Golden.ids(expected, "input_ids");
      float[] logits = Golden.floats(expected, "logits");
      Closeness.check(
          adapter + " unmerged", logits(backend, weights, ids, 512), logits, 1e-4, 1e-5);
      Closeness.check(adapter + " in chunks", logits(backend, weights, ids, 4), logits, 1e-4, 1e-5);
      Closeness.check(adapter + " merged", logits(backend, merged, ids, 512), logits, 1e-4, 1e-5);
      assertEquals(
          expected.entries().get("trainable").data().get(ValueLayout.JAVA_LONG_UNALIGNED, 0),
          weights.adapter().shape().parameters());
    }
  }

  private static float[] logits(
      Backend backend, WeightSource weights, int[][] ids, int maxPassTokens) {
    SessionOptions options =
        SessionOptions.of(Precision.FP32, ids.length, ids[0].length)
            .withMaxPassTokens(maxPassTokens);
    List<float[]> parts = new ArrayList<>();
    try (Session session = Session.open(backend, weights, options)) {
      session.start(ids);
      session.observePrefill(
          new PassObserver() {
            @Override
            public void logits(int firstRow, Tensor normed, Tensor logits) {
              parts.add(session.readFloats(logits));
            }
          });
    }
    float[] out = new float[parts.stream().mapToInt(p -> p.length).sum()];
    int at = 0;
    for (float[] p : parts) {
      System.arraycopy(p, 0, out, at, p.length);
      at += p.length;
    }
    return out;
  }

  /**
   * One fused layer of awkward widths (33 + 17 + 13 outputs) with two adapters and a bias, element
   * by element against x·(W + BA)ᵀ + b in fp64. With γ(n) = n·u/(1 − n·u) (Higham 2002, section
   * 3.1) for sums of n terms in any order: the product with W errs by at most γ(in)·Σ|x·w|; x·A by
   * γ(in)·Σ|x·a|, carried through B, whose own sum and the additions to y err by γ(rank + 2) of
   * what is summed.
   */
  @Test
  void aFusedLayerAgreesWithFp64() {
    int rows = 7;
    int in = 207;
    int[] ranks = {5, 0, 13};
    SplittableRandom random = new SplittableRandom(11);
    float[] x = normal(random, rows * in);
    float[] w = normal(random, 63 * in);
    float[] bias = normal(random, 63);
    float[] a = normal(random, 18 * in);
    float[] b0 = normal(random, 33 * 5);
    float[] b2 = normal(random, 13 * 13);
    try (Backend backend = backend();
        Arena arena = backend.newArena(MemoryCategory.WEIGHTS, 1 << 20)) {
      backend.reserveWorkspace(shape(rows, 256), arena);
      DType type = backend.activationType(Precision.FP32);
      Tensor wT = weight(backend, arena, 63, in, w);
      Linear.LowRank low =
          new Linear.LowRank(
              weight(backend, arena, 18, in, a),
              List.of(
                  new Linear.Up(weight(backend, arena, 33, 5, b0), 0, 0),
                  new Linear.Up(weight(backend, arena, 13, 13, b2), 5, 50)));
      Tensor biasT = arena.allocate(DType.F32, 1, 63);
      write(backend, biasT, bias);
      Tensor xT = arena.allocate(type, rows, in);
      write(backend, xT, x);
      Tensor y = arena.allocate(type, rows, 63);
      Tensor scratch = arena.allocate(type, rows, 20);
      Linear layer = new Linear(List.of(wT), biasT, low);
      layer.enqueue(backend, xT, layer.views(y, scratch));
      float[] actual = read(backend, y);
      for (int r = 0; r < rows; r++) {
        for (int o = 0; o < 63; o++) {
          int part = o < 33 ? 0 : o < 50 ? 1 : 2;
          int rank = ranks[part];
          int firstRank = part == 2 ? 5 : 0;
          int firstOut = part == 2 ? 50 : 0;
          float[] b = part == 2 ? b2 : b0;
          double sum = bias[o];
          double magnitude = 0;
          double adapter = 0;
          for (int i = 0; i < in; i++) {
            double term = (double) x[r * in + i] * w[o * in + i];
            sum += term;
            magnitude += Math.abs(term);
            for (int k = 0; k < rank; k++) {
              double t =
                  (double) x[r * in + i]
                      * a[(firstRank + k) * in + i]
                      * b[(o - firstOut) * rank + k];
              sum += t;
              adapter += Math.abs(t);
            }
          }
          double bound =
              gamma(in + 2) * magnitude
                  + gamma(in + rank + 3) * adapter
                  + 2 * U * Math.abs(bias[o]);
          double error = Math.abs(actual[r * 63 + o] - sum);
          assertTrue(
              error <= bound,
              "row %d output %d: %s for %s, error %.3g, allowed %.3g"
                  .formatted(r, o, actual[r * 63 + o], sum, error, bound));
        }
      }
    }
  }

  private static double gamma(int n) {
    return n * U / (1 - n * U);
  }

  private static Tensor weight(Backend backend, Arena arena, int rows, int columns, float[] v) {
    Tensor t = backend.weight(arena, DType.F32, rows, columns);
    try (var scratch = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment bytes = scratch.allocate(4L * v.length, 64);
      BlockFormat.encodeRow(DType.F32, v, 0, v.length, bytes, 0);
      backend.writeWeight(t, 0, rows, bytes);
    }
    return t;
  }

  private static void write(Backend backend, Tensor t, float[] v) {
    try (var scratch = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment bytes = scratch.allocate(t.bytes(), 64);
      BlockFormat.encodeRow(t.type(), v, 0, v.length, bytes, 0);
      backend.write(t, bytes);
    }
  }

  private static float[] read(Backend backend, Tensor t) {
    float[] out = new float[t.rows() * t.columns()];
    try (var scratch = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment bytes = scratch.allocate(t.bytes(), 64);
      backend.read(t, bytes);
      BlockFormat.decodeRow(t.type(), bytes, 0, out.length, out, 0);
    }
    return out;
  }

  private static float[] normal(SplittableRandom random, int n) {
    float[] out = new float[n];
    for (int i = 0; i < n; i++) {
      out[i] = (float) random.nextGaussian();
    }
    return out;
  }

  private static SessionShape shape(int rows, int width) {
    ModelConfig c =
        ModelConfig.builder("wide", "llama")
            .size(1, width, width)
            .heads(4, 4, width / 4)
            .tokens(8, 64)
            .build();
    return new SessionShape(c, Precision.FP32, 1, 64, rows, 1);
  }
}
