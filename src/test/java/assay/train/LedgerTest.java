package assay.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.cpu.training.CpuTrainingOps;
import assay.engine.AttentionPath;
import assay.model.ModelConfig;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Bytes and FLOPs of a step against formulas that know nothing of its allocations. */
class LedgerTest {
  private static final int BATCH = 3;
  private static final int TOKENS = 13;

  private final ModelConfig config = Models.config(4, 207, true);
  private final long n = BATCH * TOKENS;

  @Test
  void parametersTakeSixteenBytesEach() {
    Ledger ledger = plan(TrainingOptions.of(BATCH, TOKENS));
    long parameters = config.parameters();
    assertEquals(4 * parameters, ledger.bytes(MemoryCategory.WEIGHTS));
    assertEquals(4 * parameters, ledger.bytes(MemoryCategory.GRADIENTS));
    assertEquals(8 * parameters, ledger.bytes(MemoryCategory.OPTIMIZER));
  }

  private long blockBytes(AttentionPath attention) {
    long h = config.hiddenSize();
    long kept = attention == AttentionPath.STORED ? (long) config.nHeads() * TOKENS : 0;
    long perToken =
        3 * h // the MLP norm's input, both norms' outputs
            + 2 // their inverse RMS
            + 2L * config.qDim()
            + 2L * config.kvDim()
            + (attention == AttentionPath.STORED ? 0 : config.nHeads())
            + kept
            + 3L * config.intermediateSize();
    return 4 * n * perToken;
  }

  @Test
  void activationsAreTheSumOfTheirTerms() {
    long head = 4 * n * (config.vocabSize() + config.hiddenSize() + 1L);
    long residuals = 4 * n * config.hiddenSize() * (config.nLayers() + 1L) + head;
    for (AttentionPath attention : AttentionPath.values()) {
      TrainingOptions o = TrainingOptions.of(BATCH, TOKENS).with(attention);
      assertEquals(
          residuals + config.nLayers() * blockBytes(attention),
          plan(o).bytes(MemoryCategory.ACTIVATIONS));
      assertEquals(
          residuals + blockBytes(attention),
          plan(o.with(Recomputation.FULL)).bytes(MemoryCategory.ACTIVATIONS));
    }
  }

  /** Claim T6, first half. */
  @Test
  void activationsGrowInProportionToTheBatch() {
    long one = plan(TrainingOptions.of(1, TOKENS)).bytes(MemoryCategory.ACTIVATIONS);
    long five = plan(TrainingOptions.of(5, TOKENS)).bytes(MemoryCategory.ACTIVATIONS);
    assertEquals(5 * one, five);
  }

  @Test
  void whatIsPlannedIsAllocatedAndFreed() {
    CpuTrainingOps ops = new CpuTrainingOps(2);
    TrainingOptions o = TrainingOptions.of(BATCH, TOKENS).withLogitRows(5);
    Ledger plan = TrainingStep.plan(ops, config, o);
    try (TrainingStep<Tensor> step = TrainingStep.open(ops, config, o)) {
      assertEquals(plan.entries(), step.ledger().entries());
      long reserved = plan.reservedBytes().values().stream().mapToLong(x -> x).sum();
      assertEquals(reserved, ops.liveBytes());
      Map<MemoryCategory, Long> bytes = plan.bytes();
      plan.reservedBytes().forEach((c, r) -> assertTrue(r >= bytes.get(c)));
    }
    assertEquals(0, ops.liveBytes());
  }

  private static Ledger plan(TrainingOptions o) {
    ModelConfig c = Models.config(4, 207, true);
    CpuTrainingOps ops = new CpuTrainingOps(1);
    try (ops) {
      return TrainingStep.plan(ops, c, o);
    }
  }

  @Test
  void matrixProductsCostSixPerWeightAndTokenOrEightWithRecomputation() {
    TrainingOptions o = TrainingOptions.of(BATCH, TOKENS);
    long head = (long) config.vocabSize() * config.hiddenSize();
    long down = (long) config.hiddenSize() * config.intermediateSize() * config.nLayers();
    long vectors = (2L * config.nLayers() + 1) * config.hiddenSize();
    long inBlocks = config.parameters() - head - vectors;
    FlopCount kept = TrainingStep.planFlops(config, o);
    assertEquals(6 * n * (inBlocks + head), kept.of(TrainingOp.MATMUL));
    FlopCount again = TrainingStep.planFlops(config, o.with(Recomputation.FULL));
    // Claim C3's 8 holds for the blocks, less Wdown: its product is no backward pass's input.
    assertEquals(
        6 * n * head + 8 * n * (inBlocks - down) + 6 * n * down, again.of(TrainingOp.MATMUL));
    assertEquals(kept.of(Phase.FORWARD), again.of(Phase.FORWARD));
    assertEquals(0, kept.of(Phase.RECOMPUTATION));
  }

  @Test
  void attentionCountsThePairsThatTheMaskLetsThrough() {
    FlopCount count = TrainingStep.planFlops(config, TrainingOptions.of(BATCH, TOKENS));
    long pairs = (long) BATCH * config.nHeads() * (TOKENS * (TOKENS + 1) / 2);
    long width = n * config.qDim();
    long perLayer = (4L * config.headDim() + 5) * pairs + width;
    assertEquals(config.nLayers() * perLayer, count.of(Phase.FORWARD, TrainingOp.ATTENTION));
  }

  @Test
  void whatRunsIsWhatWasPlanned() {
    TrainingOptions o = TrainingOptions.of(BATCH, TOKENS).with(Recomputation.FULL);
    try (TrainingStep<Tensor> step = TrainingStep.open(new CpuTrainingOps(1), config, o)) {
      Models.initialize(step, 1);
      step.gradients(Models.ids(o.rows(), 207, 1), Models.ids(o.rows(), 207, 2));
      step.update(TrainerSettings.of(1, 1e-3, 1).rule(Optimizer.ADAMW, 1), 1);
      assertEquals(TrainingStep.planFlops(config, o).toString(), step.flops().toString());
    }
  }
}
