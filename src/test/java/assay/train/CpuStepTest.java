package assay.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.AdamW;
import assay.backend.Sgd;
import assay.backend.TrainingOps;
import assay.backend.UpdateRule;
import assay.backend.cpu.training.CpuTrainingOps;
import assay.backend.cpu.training.WideningTrainingOps;
import assay.backend.reference.ReferenceTrainingOps;
import assay.engine.AttentionPath;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.model.UserError;
import assay.model.WeightRole;
import assay.train.TrainingStep.Part;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** The fast step against the reference step, and against itself with other memory. */
class CpuStepTest {
  private static final int BATCH = 3;
  private static final int TOKENS = 13;
  private static final int VOCABULARY = 207;

  /** Loss, all gradients, and the loss again after one and after two updates. */
  private static <T> List<float[]> run(TrainingOps<T> ops, TrainingOptions o, boolean tied) {
    return run(ops, o, Models.config(2, VOCABULARY, tied));
  }

  private static <T> List<float[]> run(TrainingOps<T> ops, TrainingOptions o, ModelConfig c) {
    List<float[]> out = new ArrayList<>();
    try (TrainingStep<T> step = TrainingStep.open(ops, c, o)) {
      Models.initialize(step, 5);
      int[] ids = Models.ids(o.rows(), VOCABULARY, 6);
      int[] targets = Models.ids(o.rows(), VOCABULARY, 7);
      targets[4] = -1;
      out.add(new float[] {(float) step.gradients(ids, targets)});
      for (TensorSpec s : o.adapters() == null ? step.specs() : step.adapterSpecs()) {
        out.add(step.read(s, Part.GRADIENT));
      }
      step.update(rule(o.optimizer(), 1), 1.0);
      out.add(new float[] {(float) step.gradients(ids, targets)});
      step.update(rule(o.optimizer(), 2), 1.0);
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
    compare(expected, actual, FP32);
  }

  private static UpdateRule rule(Optimizer optimizer, int step) {
    return switch (optimizer) {
      case ADAM -> new AdamW(1e-2f, 0.9f, 0.95f, 1e-8f, 0, step);
      case ADAMW -> new AdamW(1e-2f, 0.9f, 0.95f, 1e-8f, 0.1f, step);
      case SGD -> new Sgd(1e-1f, 0, 0.1f);
      case SGD_MOMENTUM -> new Sgd(1e-1f, 0.9f, 0.1f);
    };
  }

  @ParameterizedTest
  @EnumSource(Optimizer.class)
  void everyOptimizerUpdatesAsTheReferenceDoes(Optimizer optimizer) {
    TrainingOptions o = TrainingOptions.of(BATCH, TOKENS).with(optimizer);
    compare(run(new ReferenceTrainingOps(), o, true), run(new CpuTrainingOps(2), o, true), FP32);
  }

  @Test
  void adaptersAreTrainedAsTheReferenceDoes() {
    Adapters some = new Adapters(4, 8, Set.of(WeightRole.Q, WeightRole.O, WeightRole.UP));
    TrainingOptions o = TrainingOptions.of(BATCH, TOKENS).with(some).with(Recomputation.FULL);
    compare(run(new ReferenceTrainingOps(), o, true), run(new CpuTrainingOps(2), o, true), FP32);
  }

  /**
   * Mixed precision, rounded by both after the same operations. Where fp32 and fp64 fall on two
   * sides of a boundary an element differs by one step of bf16, 2⁻⁸ of itself; about 20 operations
   * in a row, each averaging over many elements, let 20 · 2⁻⁸ of the largest element be the bound.
   * A type that was left out, or a rounding twice, is seen in the bytes (see the ledger's test).
   */
  @ParameterizedTest
  @CsvSource({
    "BF16, BF16, NONE, TILED",
    "BF16, F32, FULL, TILED",
    "BF16, BF16, SELECTIVE, STORED",
    "F16, F32, NONE, STORED"
  })
  void mixedPrecisionIsThatOfTheReference(
      DType type, DType gradients, Recomputation recomputation, AttentionPath attention) {
    TrainingOptions o =
        TrainingOptions.of(BATCH, TOKENS)
            .with(recomputation)
            .with(attention)
            .with(StepTypes.of(type).withGradients(gradients));
    compare(
        run(new ReferenceTrainingOps(), o, true),
        run(new WideningTrainingOps(2), o, true),
        type == DType.F16 ? 20 * 0x1p-11 : 20 * 0x1p-8);
  }

  /** QLoRA: frozen blocks in 4 bits; both widen the same bytes. */
  @Test
  void adaptersBesideQuantisedWeights() {
    ModelConfig c = Models.config(2, VOCABULARY, true);
    Adapters some = new Adapters(4, 8, Set.of(WeightRole.Q, WeightRole.DOWN));
    TrainingOptions o =
        TrainingOptions.of(BATCH, TOKENS).with(some).with(StepTypes.F32.withFrozen(DType.Q4_0));
    List<float[]> quantised = run(new WideningTrainingOps(2), o, c);
    compare(run(new ReferenceTrainingOps(), o, c), quantised, FP32);
    float plain = run(new WideningTrainingOps(2), o.with(StepTypes.F32), c).getFirst()[0];
    assertTrue(plain != quantised.getFirst()[0], "the frozen weights were not quantised");
  }

  @Test
  void aDeviceWithoutTheTypeSaysSo() {
    TrainingOptions o = TrainingOptions.of(1, 8).with(StepTypes.of(DType.BF16));
    try (CpuTrainingOps ops = new CpuTrainingOps(1)) {
      assertThrows(
          UserError.class, () -> TrainingStep.open(ops, Models.config(1, VOCABULARY, true), o));
    }
  }

  /**
   * Sums of up to VOCABULARY terms, through about 30 operations in a row, each wrong by 2⁻²⁴ of the
   * largest term; relative to the largest element of a gradient.
   */
  private static final double FP32 = 30 * VOCABULARY * 0x1p-24;

  private static void compare(List<float[]> expected, List<float[]> actual, double tolerance) {
    assertEquals(expected.size(), actual.size());
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
