package assay.cli;

import assay.checkpoint.LoraAdapter;
import assay.cost.CostModel;
import assay.cost.MemoryCost;
import assay.cost.MemoryKind;
import assay.cost.SessionSize;
import assay.cost.StorageTypes;
import assay.model.AdapterShape;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.WeightRole;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;

/**
 * What an adapter is and what it costs: trainable parameters against those of the matrices beside
 * it (claim T8), bytes and FLOPs that it adds while unmerged (claim T9).
 *
 * @param name its folder
 * @param ranks that occur
 * @param roles that are adapted
 * @param modules pairs of A and B
 * @param trainable parameters in them
 * @param beside parameters of the matrices that they stand beside
 * @param modelParameters all of the base
 * @param storedBytes of its tensors in the file
 * @param addedBytes of weights on the device by precision, unmerged; 0 when merged
 * @param addedFlops per decoded token, unmerged
 * @param baseFlops per decoded token of the base alone, first token
 */
record AdapterFacts(
    String name,
    List<Integer> ranks,
    List<String> roles,
    int modules,
    long trainable,
    long beside,
    long modelParameters,
    long storedBytes,
    Map<String, Long> addedBytes,
    long addedFlops,
    long baseFlops) {

  static AdapterFacts of(LoraAdapter lora, ModelConfig c) {
    AdapterShape shape = lora.shape();
    long beside = 0;
    TreeSet<Integer> ranks = new TreeSet<>();
    TreeSet<WeightRole> roles = new TreeSet<>();
    for (AdapterShape.Module m : shape.modules()) {
      beside = Math.addExact(beside, Math.multiplyExact((long) m.inputs(), m.outputs()));
      ranks.add(m.rank());
      roles.addAll(m.roles());
    }
    Map<String, Long> added = new LinkedHashMap<>();
    for (Precision p : Precision.values()) {
      added.put(p.label(), weights(c, shape, p) - weights(c, null, p));
    }
    StorageTypes types = StorageTypes.of(Precision.FP32, DType.F32);
    long base = CostModel.decodeSteps(c, types, 1, 1, 1).flops();
    return new AdapterFacts(
        lora.name(),
        List.copyOf(ranks),
        roles.stream().map(r -> r.name().toLowerCase(Locale.ROOT)).toList(),
        shape.modules().size(),
        shape.parameters(),
        beside,
        c.parameters(),
        lora.storedBytes(),
        added,
        CostModel.decodeSteps(c, shape, types, 1, 1, 1).flops() - base,
        base);
  }

  private static long weights(
      ModelConfig c, @org.jspecify.annotations.Nullable AdapterShape shape, Precision p) {
    SessionSize any = SessionSize.of(p, DType.F32, 1, 1);
    return MemoryCost.of(c, any, 0, t -> t.storedType(p), shape).bytes(MemoryKind.WEIGHTS);
  }

  Map<String, Object> json() {
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("name", name);
    out.put("ranks", ranks);
    out.put("roles", roles);
    out.put("modules", modules);
    out.put("trainable_parameters", trainable);
    out.put("parameters_beside", beside);
    out.put("stored_bytes", storedBytes);
    out.put("added_weights_bytes_by_precision", addedBytes);
    out.put("added_flops_per_token", addedFlops);
    out.put("base_flops_per_token", baseFlops);
    return out;
  }

  void print(PrintWriter w) {
    w.printf(
        "adapter %s: %d pairs of rank %s beside %s%n",
        name,
        modules,
        String.join(", ", ranks.stream().map(String::valueOf).toList()),
        String.join(", ", roles));
    w.printf(
        "  trains %,d parameters instead of the %,d of these matrices (%.3f %%), %.3f %% of the"
            + " model%n",
        trainable, beside, 100.0 * trainable / beside, 100.0 * trainable / modelParameters);
    List<String> bytes = new ArrayList<>();
    addedBytes.forEach((p, b) -> bytes.add("%s %,d".formatted(p, b)));
    w.printf("  unmerged it adds bytes of weights: %s%n", String.join("  ", bytes));
    w.printf(
        "  and %,d FLOPs per decoded token (%.2f %% of the base's %,d); merged it adds nothing%n",
        addedFlops, 100.0 * addedFlops / baseFlops, baseFlops);
    w.flush();
  }
}
