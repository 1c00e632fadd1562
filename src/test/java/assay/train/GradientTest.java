package assay.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.reference.DoubleMatrix;
import assay.backend.reference.ReferenceTrainingOps;
import assay.engine.AttentionPath;
import assay.model.ModelConfig;
import assay.model.WeightRole;
import java.util.EnumSet;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The gradients of the whole step against central differences, in fp64: every kind of parameter,
 * tied and untied.
 *
 * <p>With h = 1e-5 the difference quotient is wrong by h²/6 times the third derivative (around
 * 1e-10) and by the rounding of two losses of about 4 (4 · 2⁻⁵³ / h, around 1e-10). A wrong formula
 * is wrong in the first or second digit.
 */
class GradientTest {
  private static final double STEP = 1e-5;
  private static final double ABSOLUTE = 2e-9;
  private static final double RELATIVE = 1e-6;
  private static final int SAMPLES = 25;

  @ParameterizedTest
  @CsvSource({
    "true, NONE, TILED",
    "false, NONE, STORED",
    "true, SELECTIVE, STORED",
    "true, FULL, TILED"
  })
  void gradientsAreThoseOfFiniteDifferences(
      boolean tied, Recomputation recomputation, AttentionPath attention) {
    TrainingOptions o = TrainingOptions.of(2, 8).with(recomputation).with(attention);
    assertEquals(tied ? 11 : 12, rolesChecked(tied, o.withLogitRows(5)).size());
  }

  /** A and B of every matrix, and of two alone; the gradients pass frozen blocks. */
  @ParameterizedTest
  @CsvSource({"NONE, true", "FULL, true", "NONE, false", "FULL, false"})
  void gradientsOfAdaptersAreThoseOfFiniteDifferences(Recomputation recomputation, boolean all) {
    Set<WeightRole> targets =
        EnumSet.of(
            WeightRole.Q,
            WeightRole.K,
            WeightRole.V,
            WeightRole.O,
            WeightRole.GATE,
            WeightRole.UP,
            WeightRole.DOWN);
    if (!all) {
      targets.retainAll(EnumSet.of(WeightRole.K, WeightRole.DOWN));
    }
    TrainingOptions o =
        TrainingOptions.of(2, 8).with(recomputation).with(new Adapters(3, 7, targets));
    assertEquals(targets, rolesChecked(true, o.withLogitRows(5)));
  }

  private static Set<WeightRole> rolesChecked(boolean tied, TrainingOptions o) {
    ModelConfig c = Models.config(2, 23, tied);
    int[] ids = Models.ids(16, 23, 1);
    int[] targets = Models.ids(16, 23, 2);
    Set<WeightRole> checked = EnumSet.noneOf(WeightRole.class);
    try (TrainingStep<DoubleMatrix> step = TrainingStep.open(new ReferenceTrainingOps(), c, o)) {
      Models.initialize(step, 3);
      step.gradients(ids, targets);
      Random random = new Random(4);
      step.forEachTrained(
          (spec, p) -> {
            for (int sample = 0; sample < SAMPLES; sample++) {
              int row = random.nextInt(p.weight().rows());
              int column = random.nextInt(p.weight().columns());
              int at = row * p.weight().columns() + column;
              double expected = difference(step, p.weight().values(), at, ids, targets);
              double actual = p.gradient().values()[at];
              assertEquals(
                  expected,
                  actual,
                  ABSOLUTE + RELATIVE * Math.abs(expected),
                  () -> "%s [%d, %d]".formatted(spec, row, column));
            }
            checked.add(spec.role());
          });
    }
    return checked;
  }

  private static double difference(
      TrainingStep<DoubleMatrix> step, double[] weights, int at, int[] ids, int[] targets) {
    double w = weights[at];
    weights[at] = w + STEP;
    double above = step.loss(ids, targets);
    weights[at] = w - STEP;
    double below = step.loss(ids, targets);
    weights[at] = w;
    return (above - below) / (2 * STEP);
  }

  /** Positions without a target add nothing, neither to the loss nor to its mean. */
  @Test
  void positionsWithoutATargetAreLeftOut() {
    ModelConfig c = Models.config(1, 23, true);
    int[] ids = Models.ids(8, 23, 1);
    int[] targets = Models.ids(8, 23, 2);
    targets[7] = -1;
    try (TrainingStep<DoubleMatrix> step =
            TrainingStep.open(new ReferenceTrainingOps(), c, TrainingOptions.of(1, 8));
        TrainingStep<DoubleMatrix> shorter =
            TrainingStep.open(new ReferenceTrainingOps(), c, TrainingOptions.of(1, 7))) {
      Models.initialize(step, 3);
      Models.initialize(shorter, 3);
      double loss = step.gradients(ids, targets);
      double expected =
          shorter.gradients(java.util.Arrays.copyOf(ids, 7), java.util.Arrays.copyOf(targets, 7));
      assertEquals(expected, loss, 1e-12);
      assertTrue(loss > 1, "a loss of " + loss + " cannot be that of random weights");
    }
  }
}
