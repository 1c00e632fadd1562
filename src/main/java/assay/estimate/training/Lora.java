package assay.estimate.training;

import assay.model.AdapterShape;
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
 * @param rank of the adapters; the largest where they have ranks of their own
 * @param alpha scale; costs nothing
 * @param targets which matrices
 * @param frozen storage of the frozen matrices of the blocks, or null for the weights' type (QLoRA,
 *     Dettmers et al. 2023, uses 4 bits; the embedding and the head keep the weights' type)
 * @param shape of adapters that differ from matrix to matrix or from layer to layer, or null
 */
public record Lora(
    int rank,
    double alpha,
    Set<WeightRole> targets,
    @Nullable Precision frozen,
    @Nullable AdapterShape shape) {
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

  /** The same rank beside all targets of all layers. */
  public Lora(int rank, double alpha, Set<WeightRole> targets, @Nullable Precision frozen) {
    this(rank, alpha, targets, frozen, null);
  }

  /** Adapters as they are; their scale costs nothing. */
  public static Lora of(AdapterShape shape, @Nullable Precision frozen) {
    Set<WeightRole> targets = EnumSet.noneOf(WeightRole.class);
    int rank = 0;
    for (AdapterShape.Module m : shape.modules()) {
      targets.addAll(m.roles());
      rank = Math.max(rank, m.rank());
    }
    return new Lora(rank, 1, targets, frozen, shape);
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

  /** Rank beside one matrix; 0 where there is none. */
  public int rank(int layer, WeightRole role) {
    if (shape == null) {
      return adapts(role) ? rank : 0;
    }
    AdapterShape.Module m = module(shape, layer, role);
    return m == null ? 0 : m.rank();
  }

  /**
   * Whether the matrix has an A of its own: of those that a family stores as one (GPT-2's q, k and
   * v) only the first has.
   */
  boolean hasOwnA(int layer, WeightRole role) {
    AdapterShape.Module m = shape == null ? null : module(shape, layer, role);
    return m == null || m.roles().getFirst() == role;
  }

  private static AdapterShape.@Nullable Module module(
      AdapterShape shape, int layer, WeightRole role) {
    for (AdapterShape.Module m : shape.modules()) {
      if (m.layer() == layer && m.roles().contains(role)) {
        return m;
      }
    }
    return null;
  }

  /** Columns of what lies between A and B in the layer that has most of them; 0 for none. */
  long widest(int layers, WeightRole... roles) {
    long most = 0;
    for (int layer = 0; layer < layers; layer++) {
      long sum = 0;
      for (WeightRole role : roles) {
        sum += hasOwnA(layer, role) ? rank(layer, role) : 0;
      }
      most = Math.max(most, sum);
    }
    return most;
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
    return WeightLayout.of(c).stream()
        .filter(t -> LINEAR.contains(t.role()) && rank(t.layer(), t.role()) > 0)
        .toList();
  }

  /** Parameters beside one matrix (stacked experts each have their own). */
  private long parametersOf(TensorSpec t, ModelConfig c) {
    long experts =
        Arrays.asList(WeightRole.GATE, WeightRole.UP, WeightRole.DOWN).contains(t.role())
            ? c.nExperts()
            : 1;
    long a = hasOwnA(t.layer(), t.role()) ? Math.multiplyExact(experts, t.columns()) : 0;
    return Math.multiplyExact((long) rank(t.layer(), t.role()), Math.addExact(a, t.rows()));
  }
}
