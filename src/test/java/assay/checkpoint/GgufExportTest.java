package assay.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.reference.ReferenceBackend;
import assay.engine.Closeness;
import assay.engine.Golden;
import assay.engine.PassObserver;
import assay.engine.Session;
import assay.engine.SessionOptions;
import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.RopeScaling;
import assay.model.TensorSpec;
import assay.model.UserError;
import assay.model.WeightLayout;
import assay.model.WeightRole;
import assay.model.WeightSource;
import assay.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** A GGUF file written from a golden folder is the same model. */
class GgufExportTest {
  @TempDir private Path folder;

  /** Those that GGUF has a place for. */
  static List<Golden> models() {
    return Golden.all().stream()
        .filter(g -> !List.of("llama-bias-linear", "baichuan2-alibi").contains(g.name()))
        .toList();
  }

  /** Those whose rows are whole blocks of 32. */
  static List<Golden> blocked() {
    return models().stream()
        .filter(g -> !List.of("qwen3", "qwen3-window", "baichuan", "baichuan2").contains(g.name()))
        .toList();
  }

  /** A file that would lose what it has no key for is not written. */
  @ParameterizedTest
  @CsvSource({"llama-bias-linear, activation GELU_TANH", "baichuan2-alibi, positions ALIBI"})
  void whatGgufCannotSayIsRefused(String name, String why) {
    Golden golden =
        Golden.all().stream().filter(g -> g.name().equals(name)).findFirst().orElseThrow();
    UserError e = assertThrows(UserError.class, () -> export(golden, null));
    assertTrue(String.valueOf(e.getMessage()).contains(why), e::getMessage);
  }

  private Path export(Golden golden, DType type) {
    Path out = folder.resolve(golden + ".gguf");
    try (SafetensorsModel model = SafetensorsModel.open(golden.folder())) {
      GgufExport export = new GgufExport(model, type);
      export.write(out, export.metadata(), done -> {});
    }
    return out;
  }

  @ParameterizedTest
  @MethodSource("models")
  void everyWeightComesBack(Golden golden) {
    Path file = export(golden, null);
    try (SafetensorsModel folderModel = SafetensorsModel.open(golden.folder());
        GgufModel gguf = GgufModel.open(file)) {
      assertEquals(comparable(folderModel.config()), comparable(gguf.config()));
      for (TensorSpec t : WeightLayout.of(folderModel.config())) {
        if (t.role() == WeightRole.HEAD && folderModel.config().normalizedHead()) {
          continue; // written normalised; sameLogits says that it means the same
        }
        assertArrayEquals(floats(folderModel, t), floats(gguf, t), golden + " " + t);
      }
      assertEquals(3, gguf.file().version());
    }
  }

  /** All but what GGUF writes otherwise: the name, the family's name, scaling by pair. */
  private static ModelConfig comparable(ModelConfig c) {
    return ModelConfig.builder(
            "x", c.architecture().matches("mistral|baichuan") ? "llama" : c.architecture())
        .size(c.nLayers(), c.hiddenSize(), c.intermediateSize())
        .heads(c.nHeads(), c.nKvHeads(), c.headDim())
        .tokens(c.vocabSize(), c.maxSeqLen())
        .norm(c.norm(), c.normEps())
        .mlp(c.activation(), c.gatedMlp())
        .positions(c.positions())
        .rope(c.ropeTheta(), new RopeScaling.None())
        .window(c.slidingWindow(), c.firstWindowLayer())
        .biases(c.qkvBias(), c.outputBias(), c.mlpBias())
        .qkNorm(c.qkNorm())
        .tied(c.tiedEmbeddings())
        .build();
  }

  @ParameterizedTest
  @MethodSource("models")
  void sameLogits(Golden golden) {
    Path file = export(golden, null);
    try (var backend = new ReferenceBackend();
        GgufModel gguf = GgufModel.open(file);
        SafetensorsFile expected = golden.expected()) {
      int[] ids = Golden.ids(expected, "input_ids")[0];
      SessionOptions options =
          SessionOptions.of(Precision.FP32, 1, ids.length).withLogitRows(ids.length);
      try (Session session = Session.open(backend, gguf, options)) {
        session.start(new int[][] {ids});
        session.observePrefill(
            new PassObserver() {
              @Override
              public void logits(int firstRow, Tensor normed, Tensor logits) {
                float[] got = session.readFloats(logits);
                float[] all = Golden.floats(expected, "logits");
                float[] first = java.util.Arrays.copyOf(all, got.length);
                Closeness.check(golden + " logits", got, first, 1e-4, 1e-5);
              }
            });
      }
    }
  }

  @ParameterizedTest
  @MethodSource("blocked")
  void quantisedRowsAreTheFormats(Golden golden) {
    Path file = export(golden, DType.Q8_0);
    try (SafetensorsModel folderModel = SafetensorsModel.open(golden.folder());
        GgufModel gguf = GgufModel.open(file)) {
      int quantised = 0;
      for (TensorSpec t : WeightLayout.of(folderModel.config())) {
        if (gguf.storedType(t) != DType.Q8_0) {
          continue;
        }
        quantised++;
        int rows = Math.toIntExact(t.rows());
        int columns = Math.toIntExact(t.columns());
        float[] original = floats(folderModel, t);
        try (Arena arena = Arena.ofConfined()) {
          MemorySegment got = arena.allocate(DType.Q8_0.bytes(rows, columns));
          gguf.read(t, 0, rows, DType.Q8_0, got);
          MemorySegment want = arena.allocate(got.byteSize());
          for (int r = 0; r < rows; r++) {
            BlockFormat.encodeRow(
                DType.Q8_0, original, r * columns, columns, want, r * DType.Q8_0.rowBytes(columns));
          }
          assertEquals(-1, got.mismatch(want), golden + " " + t);
        }
      }
      assertTrue(quantised > 3 * folderModel.config().nLayers(), "quantised " + quantised);
    }
  }

  static float[] floats(WeightSource source, TensorSpec t) {
    int rows = t.role().isMatrix() ? Math.toIntExact(t.rows()) : 1;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(4L * rows * t.columns(), 64);
      source.read(t, 0, rows, DType.F32, out);
      return out.toArray(ValueLayout.JAVA_FLOAT);
    }
  }
}
