package assay.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Which matrices of a model have a low-rank adapter (LoRA, Hu et al. 2021, equation 3), by shape:
 * beside W [outputs, inputs] stand A [rank, inputs] and B [outputs, rank], and y = x·Wᵀ +
 * scale·x·Aᵀ·Bᵀ.
 *
 * @param modules in the order of the forward pass
 */
public record AdapterShape(List<Module> modules) {

  /**
   * One pair of matrices. It may stand beside several of ours whose outputs lie side by side: GPT-2
   * stores q, k and v as one matrix, so they share one A.
   *
   * @param layer the block
   * @param roles the matrices, in the order of their outputs
   * @param rank width between the two
   * @param inputs columns of A
   * @param outputs rows of B
   */
  public record Module(int layer, List<WeightRole> roles, int rank, int inputs, int outputs) {
    /** A copy that cannot change. */
    public Module {
      roles = List.copyOf(roles);
    }

    /** Trainable parameters: rank · (inputs + outputs). */
    public long parameters() {
      return Math.multiplyExact((long) rank, (long) inputs + outputs);
    }
  }

  /** Matrices of a block that are multiplied with the same input. */
  private static final List<List<WeightRole>> GROUPS =
      List.of(
          List.of(WeightRole.Q, WeightRole.K, WeightRole.V),
          List.of(WeightRole.O),
          List.of(WeightRole.GATE, WeightRole.UP),
          List.of(WeightRole.DOWN));

  /** A copy that cannot change. */
  public AdapterShape {
    modules = List.copyOf(modules);
  }

  /** All trainable parameters. */
  public long parameters() {
    return modules.stream().mapToLong(Module::parameters).reduce(0, Math::addExact);
  }

  /**
   * The modules whose matrices are multiplied with the same input, so that their A's can be one
   * product; every module is in one group.
   */
  public List<List<Module>> groups() {
    Map<List<Integer>, List<Module>> out = new LinkedHashMap<>();
    for (Module m : modules) {
      int group = 0;
      while (!GROUPS.get(group).containsAll(m.roles())) {
        group++;
      }
      out.computeIfAbsent(Arrays.asList(m.layer(), group), key -> new ArrayList<>()).add(m);
    }
    return List.copyOf(out.values());
  }

  /** Sum of the ranks of a group: rows of its stacked A. */
  public static int rank(List<Module> group) {
    return group.stream().mapToInt(Module::rank).reduce(0, Math::addExact);
  }

  /**
   * How adapters are stored beside weights of a precision: in its own type, but beside quantised
   * weights in bf16, as QLoRA has them (Dettmers et al. 2023, section 3).
   */
  public static DType storedType(Precision precision) {
    return switch (precision) {
      case FP32, TF32 -> DType.F32;
      case FP16 -> DType.F16;
      case BF16, FP8, INT8, INT4 -> DType.BF16;
    };
  }
}
