package assay.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.engine.Closeness;
import assay.engine.Golden;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.NormKind;
import assay.model.TensorSpec;
import assay.model.WeightLayout;
import assay.model.WeightRole;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A folder that was written is the same model. */
class HuggingFaceExportTest {
  @TempDir private Path folder;

  /** Those that come back as they were; a normalised head is written normalised, see below. */
  static List<Golden> models() {
    return Golden.all().stream().filter(g -> !g.name().startsWith("baichuan2")).toList();
  }

  @ParameterizedTest
  @MethodSource("models")
  void everyWeightComesBack(Golden golden) {
    Path out = folder.resolve(golden.name());
    try (SafetensorsModel model = SafetensorsModel.open(golden.folder())) {
      new HuggingFaceExport(model, null).write(out, done -> {});
      try (SafetensorsModel again = SafetensorsModel.open(out)) {
        assertEquals(model.config(), again.config());
        for (TensorSpec t : WeightLayout.of(model.config())) {
          assertEquals(model.storedType(t), again.storedType(t));
          assertArrayEquals(
              GgufExportTest.floats(model, t), GgufExportTest.floats(again, t), golden + " " + t);
        }
      }
    }
  }

  /** Claim I7: once, offline, instead of at every step; and again it changes nothing. */
  @Test
  void baichuan2BecomesBaichuan1() {
    ModelConfig c =
        ModelConfig.builder("small", "baichuan")
            .size(2, 64, 96)
            .heads(4, 4, 16)
            .tokens(125_696 / 128, 64)
            .norm(NormKind.RMS, 1e-6f)
            .normalizedHead(true)
            .build();
    Path out = folder.resolve("one");
    try (RandomWeights two = new RandomWeights(c, 7)) {
      new HuggingFaceExport(two, DType.F32).write(out, done -> {});
      try (SafetensorsModel one = SafetensorsModel.open(out)) {
        assertTrue(two.config().normalizedHead());
        assertFalse(one.config().normalizedHead());
        TensorSpec head =
            WeightLayout.of(one.config()).stream()
                .filter(t -> t.role() == WeightRole.HEAD)
                .findFirst()
                .orElseThrow();
        float[] before = GgufExportTest.floats(two, head);
        float[] after = GgufExportTest.floats(one, head);
        int width = c.hiddenSize();
        for (int row = 0; row < head.rows(); row++) {
          double squares = 0;
          for (int i = 0; i < width; i++) {
            squares += (double) before[row * width + i] * before[row * width + i];
          }
          for (int i = 0; i < width; i++) {
            before[row * width + i] = (float) (before[row * width + i] / Math.sqrt(squares));
          }
        }
        Closeness.check("normalised head", after, before, 1e-7, 1e-6);
      }
    }
  }
}
