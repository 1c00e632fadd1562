package assay.estimate.training;

import assay.cost.CostModel;
import assay.cost.Flops;
import assay.cost.OpCost;
import assay.cost.PassCost;
import assay.cost.PassShape;
import assay.cost.StorageTypes;
import assay.model.ModelConfig;
import assay.model.OpKind;
import assay.model.PositionKind;
import assay.model.TensorSpec;

/**
 * FLOPs of one step over all devices, operation by operation.
 *
 * @param forward of all tokens, the head for every token
 * @param backward gradients of inputs, and of weights where they are trained
 * @param recompute forward work done again
 * @param optimizer updates of the trained parameters
 */
public record TrainingFlops(long forward, long backward, long recompute, long optimizer) {

  /** Everything. */
  public long total() {
    return Math.addExact(Math.addExact(forward, backward), Math.addExact(recompute, optimizer));
  }

  /** What the model needs, without work done again: the numerator of MFU. */
  public long model() {
    return Math.addExact(forward, backward);
  }

  /** Counts a step. */
  public static TrainingFlops of(TrainingRequest r) {
    ModelConfig c = r.config();
    StorageTypes types = StorageTypes.of(r.types().arithmetic(), r.types().activations());
    PassCost blocks = CostModel.pass(c, types, new PassShape(r.microBatch(), r.tokens(), 0, false));
    long n = r.rows();
    long head = Flops.matmul(n, c.hiddenSize(), c.vocabSize());
    long finalNorm = Flops.norm(c.norm(), n, c.hiddenSize(), false);
    long adapters = adapterForward(r);
    long forward = blocks.flops() + head + finalNorm + adapters;
    long backward = 2 * finalNorm + weighted(head, r) + 2 * adapters;
    for (OpCost o : blocks.ops()) {
      backward = Math.addExact(backward, backward(o, r));
    }
    long core =
        blocks.ops().stream()
            .filter(o -> o.kind() == OpKind.ATTENTION)
            .mapToLong(OpCost::flops)
            .sum();
    long again =
        switch (r.recomputation()) {
          case NONE -> 0;
          case SELECTIVE -> r.storedScores() ? core : 0;
          case FULL -> blocks.flops() + adapters;
        };
    long microBatches = Math.multiplyExact((long) r.accumulation(), r.parallelism().data());
    long trained = trainedParameters(r);
    return new TrainingFlops(
        Math.multiplyExact(forward, microBatches),
        Math.multiplyExact(backward, microBatches),
        Math.multiplyExact(again, microBatches),
        Math.multiplyExact(trained, r.optimizer().flopsPerParameter()));
  }

  /** Parameters that get a gradient. */
  public static long trainedParameters(TrainingRequest r) {
    return r.lora() == null ? r.config().parameters() : r.lora().parameters(r.config());
  }

  /**
   * A product y = x·Wᵀ has two backward products of its size, for x and for W; a frozen W only the
   * first. Attention's two products have four, and one more where scores were not stored. All else
   * costs twice its forward pass, by convention.
   */
  private static long backward(OpCost o, TrainingRequest r) {
    return switch (o.kind()) {
      case MATMUL -> weighted(o.flops(), r);
      case ATTENTION -> {
        ModelConfig c = r.config();
        long perPair = 4L * c.headDim() + 5 + (c.positions() == PositionKind.ALIBI ? 2 : 0);
        long divisions = Math.multiplyExact(o.launches() * o.rows(), (long) c.qDim());
        long products = (o.flops() - divisions) / perPair * (4L * c.headDim());
        long again = r.storedScores() ? 0 : products / 2;
        yield Math.addExact(Math.multiplyExact(2L, o.flops()), again);
      }
      default -> Math.multiplyExact(2L, o.flops());
    };
  }

  private static long weighted(long product, TrainingRequest r) {
    return r.lora() == null ? Math.multiplyExact(2L, product) : product;
  }

  private static long adapterForward(TrainingRequest r) {
    Lora lora = r.lora();
    if (lora == null) {
      return 0;
    }
    long sum = 0;
    for (TensorSpec t : lora.adapted(r.config())) {
      boolean expert =
          switch (t.role()) {
            case GATE, UP, DOWN -> true;
            default -> false;
          };
      long experts = expert ? r.config().nExperts() : 1;
      long rows = expert ? r.rows() * r.config().nActiveExperts() : r.rows();
      long out = t.rows() / experts;
      long in = lora.hasOwnA(t.layer(), t.role()) ? t.columns() : 0;
      long product = Flops.matmul(rows, lora.rank(t.layer(), t.role()), in + out);
      // The result is added to the frozen product's.
      sum = Math.addExact(sum, Math.addExact(product, Flops.add(rows, out)));
    }
    return sum;
  }
}
