package assay.train;

import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.model.UserError;
import assay.model.WeightLayout;
import assay.model.WeightRole;
import java.util.EnumSet;
import java.util.Set;

/**
 * Low-rank adapters to train beside frozen weights (Hu et al. 2021): y = x·Wᵀ +
 * (alpha/rank)·x·Aᵀ·Bᵀ with A [rank, in] and B [out, rank].
 *
 * @param rank of each
 * @param alpha scale
 * @param targets which matrices of a block have one
 */
public record Adapters(int rank, double alpha, Set<WeightRole> targets) {
  private static final Set<WeightRole> POSSIBLE =
      EnumSet.of(
          WeightRole.Q,
          WeightRole.K,
          WeightRole.V,
          WeightRole.O,
          WeightRole.GATE,
          WeightRole.UP,
          WeightRole.DOWN);

  /** Checks rank and targets. */
  public Adapters {
    if (rank < 1 || targets.isEmpty() || !POSSIBLE.containsAll(targets)) {
      throw new UserError(
          "adapters of rank %d on %s: expected a rank of 1 or more on some of %s"
              .formatted(rank, targets, POSSIBLE));
    }
    targets = Set.copyOf(targets);
  }

  /** The factor on x·Aᵀ·Bᵀ. */
  float scale() {
    return (float) (alpha / rank);
  }

  TensorSpec a(TensorSpec base) {
    return new TensorSpec(base.role(), base.layer(), rank, base.columns());
  }

  TensorSpec b(TensorSpec base) {
    return new TensorSpec(base.role(), base.layer(), base.rows(), rank);
  }

  /**
   * Fails for a rank that saves nothing.
   *
   * @throws UserError naming the matrix
   */
  void check(ModelConfig c) {
    for (TensorSpec s : WeightLayout.of(c)) {
      if (targets.contains(s.role()) && rank >= Math.min(s.rows(), s.columns())) {
        throw new UserError(
            "adapters of rank %d: expected less than both sides of %s".formatted(rank, s));
      }
    }
  }
}
