package assay.estimate.training;

import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.TensorSpec;
import assay.model.UserError;
import assay.model.WeightLayout;
import assay.model.WeightRole;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Low-rank adapters (Hu et al. 2021): beside each chosen matrix W [out, in], frozen, stand A [rank,
 * in] and B [out, rank], trained; y = x·Wᵀ + (alpha/rank)·x·Aᵀ·Bᵀ.
 *
 * @param rank of the adapters
 * @param alpha scale; costs nothing
 * @param targets which matrices
 * @param frozen storage of the frozen matrices of the blocks, or null for the weights' type (QLoRA,
 *     Dettmers et al. 2023, uses 4 bits; the embedding and the head keep the weights' type)
 */
public record Lora(int rank, double alpha, Set<WeightRole> targets, @Nullable Precision frozen) {
  private static final Set<WeightRole> LINEAR =
      EnumSet.of(
          WeightRole.Q,
          WeightRole.K,
          WeightRole.V,
          WeightRole.O,
          WeightRole.GATE,
          WeightRole.UP,
          WeightRole.DOWN);

  /** Checks rank and targets. */
  public Lora {
    if (rank < 1) {
      throw new UserError("LoRA rank %d: expected 1 or more".formatted(rank));
    }
    if (targets.isEmpty() || !LINEAR.containsAll(targets)) {
      throw new UserError("LoRA targets %s: expected some of %s".formatted(targets, names()));
    }
    targets = Set.copyOf(targets);
  }

  /** All linear layers of the blocks. */
  public static Set<WeightRole> allLinear() {
    return EnumSet.copyOf(LINEAR);
  }

  /**
   * Targets by name: {@code q,v}, or {@code all}.
   *
   * @throws UserError for an unknown name
   */
  public static Set<WeightRole> targetsOf(String list) {
    if (list.equalsIgnoreCase("all")) {
      return allLinear();
    }
    Set<WeightRole> out = EnumSet.noneOf(WeightRole.class);
    for (String name : list.split(",")) {
      String plain = name.strip().toUpperCase(Locale.ROOT).replace("_PROJ", "");
      out.add(
          LINEAR.stream()
              .filter(r -> r.name().equals(plain))
              .findFirst()
              .orElseThrow(
                  () ->
                      new UserError(
                          "unknown LoRA target '%s': expected all or some of %s"
                              .formatted(name.strip(), names()))));
    }
    return out;
  }

  private static String names() {
    return LINEAR.stream()
        .map(r -> r.name().toLowerCase(Locale.ROOT))
        .collect(Collectors.joining(", "));
  }

  /** True for a matrix that has an adapter. */
  public boolean adapts(WeightRole role) {
    return targets.contains(role);
  }

  /** Parameters of the adapters: rank · (in + out) for each matrix of each expert. */
  public long parameters(ModelConfig c) {
    long sum = 0;
    for (TensorSpec t : adapted(c)) {
      sum = Math.addExact(sum, parametersOf(t, c));
    }
    return sum;
  }

  /** The matrices that have adapters. */
  public List<TensorSpec> adapted(ModelConfig c) {
    return WeightLayout.of(c).stream().filter(t -> adapts(t.role())).toList();
  }

  /** Parameters beside one matrix (stacked experts each have their own). */
  private long parametersOf(TensorSpec t, ModelConfig c) {
    long experts =
        Arrays.asList(WeightRole.GATE, WeightRole.UP, WeightRole.DOWN).contains(t.role())
            ? c.nExperts()
            : 1;
    return Math.multiplyExact(
        (long) rank, Math.addExact(Math.multiplyExact(experts, t.columns()), t.rows()));
  }
}
