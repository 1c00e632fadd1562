package assay.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.TrainingOps;
import assay.backend.cpu.training.CpuTrainingOps;
import assay.backend.reference.ReferenceTrainingOps;
import assay.engine.AttentionPath;
import assay.model.ModelConfig;
import org.junit.jupiter.api.Test;

/** Measured steps against the plan of the same step, which runs on shapes alone. */
class TrainingMeasurementTest {
  private static final int VOCABULARY = 207;

  private static <T> TrainingMeasurement measure(TrainingOps<T> ops, TrainingOptions o) {
    ModelConfig c = Models.config(2, VOCABULARY, true);
    Ledger plan = TrainingStep.plan(ops, c, o);
    TrainingMeasurement m = TrainingMeasurement.of(ops, c, o, 1, 3, 5);
    assertEquals(plan.bytes(), m.bytes());
    assertEquals(m.ledger().bytes(), m.bytes());
    FlopCount counted = TrainingStep.planFlops(c, o);
    assertEquals(counted.total(), m.flops().total(), "the FLOPs of one step, not of three");
    assertEquals(counted.of(Phase.RECOMPUTATION), m.flops().of(Phase.RECOMPUTATION));
    assertEquals(3, m.stepNs().length);
    for (long ns : m.stepNs()) {
      assertTrue(ns > 0, "a step took " + ns + " ns");
    }
    return m;
  }

  @Test
  void measuresWhatThePlanSays() {
    TrainingOptions o = TrainingOptions.of(3, 13);
    measure(new ReferenceTrainingOps(), o);
    TrainingMeasurement none = measure(new CpuTrainingOps(1), o);
    TrainingMeasurement full = measure(new CpuTrainingOps(2), o.with(Recomputation.FULL));
    measure(new CpuTrainingOps(1), o.with(AttentionPath.STORED).withLogitRows(7));
    assertEquals(0, none.flops().of(Phase.RECOMPUTATION));
    assertTrue(full.flops().of(Phase.RECOMPUTATION) > 0);
    assertTrue(
        full.bytes().get(assay.tensor.MemoryCategory.ACTIVATIONS)
            < none.bytes().get(assay.tensor.MemoryCategory.ACTIVATIONS));
  }
}
