package assay.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.AdamW;
import assay.backend.TrainingOps;
import assay.backend.cpu.training.CpuTrainingOps;
import assay.backend.reference.ReferenceTrainingOps;
import assay.engine.AttentionPath;
import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.train.TrainingStep.Part;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The fast step against the reference step, and against itself with other memory. */
class CpuStepTest {
  private static final int BATCH = 3;
  private static final int TOKENS = 13;
  private static final int VOCABULARY = 207;

  /** Loss, then all gradients, then all weights after two updates. */
  private static <T> List<float[]> run(TrainingOps<T> ops, TrainingOptions o, boolean tied) {
    ModelConfig c = Models.config(2, VOCABULARY, tied);
    List<float[]> out = new ArrayList<>();
    try (TrainingStep<T> step = TrainingStep.open(ops, c, o)) {
      Models.initialize(step, 5);
      int[] ids = Models.ids(o.rows(), VOCABULARY, 6);
      int[] targets = Models.ids(o.rows(), VOCABULARY, 7);
      targets[4] = -1;
      out.add(new float[] {(float) step.gradients(ids, targets)});
      for (TensorSpec s : step.specs()) {
        out.add(step.read(s, Part.GRADIENT));
      }
      step.update(new AdamW(1e-2f, 0.9f, 0.95f, 1e-8f, 0.1f, 1), 1.0);
      out.add(new float[] {(float) step.gradients(ids, targets)});
      step.update(new AdamW(1e-2f, 0.9f, 0.95f, 1e-8f, 0.1f, 2), 1.0);
      out.add(new float[] {(float) step.loss(ids, targets)});
    }
    return out;
  }

  @ParameterizedTest
  @CsvSource({"1, true, NONE, TILED", "2, false, NONE, STORED", "3, true, FULL, TILED"})
  void theCpuComputesWhatTheReferenceDoes(
      int threads, boolean tied, Recomputation recomputation, AttentionPath attention) {
    TrainingOptions o =
        TrainingOptions.of(BATCH, TOKENS).with(recomputation).with(attention).withLogitRows(17);
    List<float[]> expected = run(new ReferenceTrainingOps(), o, tied);
    List<float[]> actual = run(new CpuTrainingOps(threads), o, tied);
    // Sums of up to VOCABULARY terms, through about 30 operations in a row, each wrong by 2⁻²⁴ of
    // the largest term; relative to the largest element of a gradient.
    double tolerance = 30 * VOCABULARY * 0x1p-24;
    for (int i = 0; i < expected.size(); i++) {
      double largest = 0;
      for (float x : expected.get(i)) {
        largest = Math.max(largest, Math.abs(x));
      }
      assertTrue(largest > 0);
      for (int j = 0; j < expected.get(i).length; j++) {
        assertEquals(
            expected.get(i)[j], actual.get(i)[j], tolerance * largest, "result " + i + ", " + j);
      }
    }
    float before = actual.getFirst()[0];
    assertTrue(actual.getLast()[0] < before, "two updates lower the loss");
  }

  @Test
  void recomputingChangesNoBitAndStoringProbabilitiesAlmostNone() {
    TrainingOptions o = TrainingOptions.of(BATCH, TOKENS);
    List<float[]> kept = run(new CpuTrainingOps(1), o, true);
    List<float[]> again = run(new CpuTrainingOps(1), o.with(Recomputation.FULL), true);
    List<float[]> chunked = run(new CpuTrainingOps(1), o.withLogitRows(1), true);
    for (int i = 0; i < kept.size(); i++) {
      assertArrayEquals(kept.get(i), again.get(i), 1e-6f, "result " + i);
      assertArrayEquals(kept.get(i), chunked.get(i), 1e-6f, "result " + i);
    }
  }
}
