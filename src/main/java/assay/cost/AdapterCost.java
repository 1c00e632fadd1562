package assay.cost;

import assay.model.AdapterShape;
import assay.model.DType;
import assay.model.OpKind;
import assay.model.WeightRole;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What unmerged adapters add to a pass and to memory (claim T9): for matrices with the same input
 * one product with their stacked A's, then one product with each B, added to what the matrix itself
 * gave.
 */
final class AdapterCost {
  private AdapterCost() {}

  /** The additional operations of a pass of {@code rows} rows. */
  static List<OpCost> ops(AdapterShape adapter, StorageTypes types, long rows) {
    Map<OpCost, Long> count = new LinkedHashMap<>();
    for (List<AdapterShape.Module> group : adapter.groups()) {
      count.merge(down(group, types, rows), 1L, Long::sum);
      group.forEach(m -> count.merge(up(m, types, rows), 1L, Long::sum));
    }
    return count.entrySet().stream().map(e -> e.getKey().times(e.getValue())).toList();
  }

  private static OpCost down(List<AdapterShape.Module> group, StorageTypes types, long rows) {
    long in = group.getFirst().inputs();
    long rank = AdapterShape.rank(group);
    long act = types.activations().bytes(1, 1);
    long weights = AdapterShape.storedType(types.precision()).bytes(rank, in);
    return op(
        "lora_a", group, rows, Flops.matmul(rows, in, rank), weights, rows * (in + rank) * act);
  }

  private static OpCost up(AdapterShape.Module m, StorageTypes types, long rows) {
    long act = types.activations().bytes(1, 1);
    long weights = AdapterShape.storedType(types.precision()).bytes(m.outputs(), m.rank());
    long flops =
        Math.addExact(Flops.matmul(rows, m.rank(), m.outputs()), Flops.add(rows, m.outputs()));
    return op(
        "lora_b", List.of(m), rows, flops, weights, rows * (m.rank() + 2L * m.outputs()) * act);
  }

  private static OpCost op(
      String name,
      List<AdapterShape.Module> group,
      long rows,
      long flops,
      long weightBytes,
      long activationBytes) {
    WeightRole.Component component = group.getFirst().roles().getFirst().component();
    Part part = component == WeightRole.Component.MLP ? Part.MLP : Part.PROJECTIONS;
    return new OpCost(
        name, OpKind.MATMUL, part, 1, rows, flops, weightBytes, 0, 0, activationBytes);
  }

  /** The additional buffers: the matrices, and the rows between A and B for the widest group. */
  static List<BufferSpec> buffers(AdapterShape adapter, SessionSize s) {
    List<BufferSpec> out = new ArrayList<>();
    DType type = AdapterShape.storedType(s.types().precision());
    long widest = 0;
    for (List<AdapterShape.Module> group : adapter.groups()) {
      long rank = AdapterShape.rank(group);
      widest = Math.max(widest, rank);
      long in = group.getFirst().inputs();
      out.add(new BufferSpec("lora_a", MemoryKind.WEIGHTS, type, rank, in));
      for (AdapterShape.Module m : group) {
        out.add(new BufferSpec("lora_b", MemoryKind.WEIGHTS, type, m.outputs(), m.rank()));
      }
    }
    if (widest > 0) {
      long n = Math.multiplyExact((long) s.batch(), s.passTokens());
      DType activations = s.types().activations();
      out.add(new BufferSpec("lora", MemoryKind.ACTIVATIONS, activations, n, widest));
    }
    return out;
  }
}
