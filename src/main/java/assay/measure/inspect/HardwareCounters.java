package assay.measure.inspect;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What the hardware counted while a prefill and a decode pass ran, beside what we counted for them:
 * bytes that crossed the memory's bus, and multiply-adds and tensor operations.
 *
 * <p>Counted bytes are compulsory traffic: every operand once. The hardware reads them at least
 * once when its caches were emptied before each launch, as ncu does, and may read them again; what
 * is written may stay in the cache, so a launch that only writes can show less. Counted FLOPs of
 * products and attention have a counterpart in instructions; those of norms and activations have
 * not one for one (an exponential is several instructions), so their ratio is for orientation. fp16
 * and bf16 arithmetic outside of tensor cores is left out: all sums of ours are in fp32.
 */
public final class HardwareCounters {
  /**
   * What {@code ncu --metrics} is asked for, where the card has it; prefixes end with an {@code *}.
   */
  static final List<String> METRICS =
      List.of(
          "dram__bytes_read.sum",
          "dram__bytes_write.sum",
          "dram__bytes_op_read.sum",
          "dram__bytes_op_write.sum",
          "smsp__sass_thread_inst_executed_op_ffma_pred_on.sum",
          "smsp__sass_thread_inst_executed_op_fadd_pred_on.sum",
          "smsp__sass_thread_inst_executed_op_fmul_pred_on.sum",
          "sm__ops_path_tensor_src_*");

  private static final String INSTRUCTIONS = "smsp__sass_thread_inst_executed_op_";
  private static final String TENSOR = "sm__ops_path_tensor_src_";

  /** Longest first: the first that a kernel's name begins with says what it belongs to. */
  private static final Map<String, String> GROUPS = groups();

  /** Kernels with other names are the library's, and all that it does for us are products. */
  private static final String LIBRARY = "matmul";

  private static final Set<String> ROTATION = Set.of("rope", "store_kv");
  private static final String ROTATION_GROUP = "rope, store_kv";

  private HardwareCounters() {}

  private static Map<String, String> groups() {
    Map<String, String> out = new LinkedHashMap<>();
    for (String prefix : List.of("attention", "mask_scores", "softmax")) {
      out.put(prefix, "attention");
    }
    for (String prefix : List.of("add_norm", "head_norm", "norm")) {
      out.put(prefix, "norm");
    }
    for (String prefix :
        List.of(
            "gemv",
            "dequantize",
            "quantize",
            "round",
            "scale_rows",
            "absmax",
            "convert",
            "half_open")) {
      out.put(prefix, "matmul");
    }
    for (String prefix : List.of("greedy", "sample", "log_probs")) {
      out.put(prefix, "sample");
    }
    for (String prefix : List.of("rope", "store_kv")) {
      out.put(prefix, ROTATION_GROUP);
    }
    for (String same : List.of("embed", "bias", "activation", "advance", "add")) {
      out.put(same, same);
    }
    for (String prefix : List.of("zero", "random", "pack", "unpack")) {
      out.put(prefix, "other");
    }
    return out;
  }

  /** The operation that a kernel belongs to; {@code matmul} for those of the library. */
  static String groupOf(String kernel) {
    return GROUPS.entrySet().stream()
        .filter(g -> kernel.startsWith(g.getKey()))
        .map(Map.Entry::getValue)
        .findFirst()
        .orElse(LIBRARY);
  }

  /** Whether a kernel's name is one of those that our own kernels have. */
  public static boolean isOurs(String kernel) {
    return GROUPS.keySet().stream().anyMatch(kernel::startsWith);
  }

  /** Whether a metric is one of those that {@link #compare} uses. */
  public static boolean uses(String metric) {
    return METRICS.stream()
        .anyMatch(
            m ->
                m.endsWith("*")
                    ? metric.startsWith(m.substring(0, m.length() - 1))
                    : metric.equals(m));
  }

  /**
   * Operations as we counted them.
   *
   * @param phase {@code prefill} or {@code decode}
   * @param operation its name, such as {@code matmul}
   */
  public record Counted(String phase, String operation, long calls, long flops, long bytes) {}

  /**
   * One line of the comparison.
   *
   * @param launches of kernels; 0 where the operation is done within another's kernel
   * @param countedBytes read and written by our count
   * @param dramBytes read and written by the hardware's; null where it does not say
   * @param countedFlops by our count
   * @param counterFlops by the hardware's: 2 for a multiply-add, 1 for an addition or a product,
   *     and the operations of tensor cores; null where it does not say
   */
  public record Line(
      String phase,
      String operation,
      int launches,
      long countedBytes,
      @Nullable Double dramBytes,
      long countedFlops,
      @Nullable Double counterFlops) {
    /** Bytes of the hardware over ours. */
    public @Nullable Double bytesRatio() {
      return dramBytes == null || countedBytes == 0 ? null : dramBytes / countedBytes;
    }

    /** FLOPs of the hardware over ours. */
    public @Nullable Double flopsRatio() {
      return counterFlops == null || countedFlops == 0 ? null : counterFlops / countedFlops;
    }
  }

  /**
   * Sets them beside each other, the largest operations of each phase first, {@code all} at the end
   * of a phase. The launches are those of one prefill and the passes of decode behind it; each pass
   * begins with the gathering of embeddings.
   *
   * @param launches of one prefill in one pass and one decode pass, in order
   * @throws IllegalArgumentException where the launches are not those of such passes
   */
  public static List<Line> compare(List<Counted> counted, List<NcuCsv.Launch> launches) {
    List<String> phases = counted.stream().map(Counted::phase).distinct().toList();
    List<Map<String, List<NcuCsv.Launch>>> passes = passes(launches);
    if (passes.size() > phases.size()) {
      throw new IllegalArgumentException(
          "launches of %d passes, of which %d were counted"
              .formatted(passes.size(), phases.size()));
    }
    List<Line> out = new ArrayList<>();
    for (int i = 0; i < passes.size(); i++) {
      String phase = phases.get(i);
      Map<String, List<NcuCsv.Launch>> ran = passes.get(i);
      Map<String, List<Counted>> ours = new LinkedHashMap<>();
      counted.stream()
          .filter(c -> c.phase.equals(phase))
          .forEach(c -> ours.computeIfAbsent(group(c), k -> new ArrayList<>()).add(c));
      ran.keySet().forEach(k -> ours.putIfAbsent(k, List.of()));
      List<Line> lines = new ArrayList<>();
      ours.forEach(
          (group, list) -> lines.add(line(phase, group, list, ran.getOrDefault(group, List.of()))));
      lines.sort(Comparator.comparingLong(Line::countedBytes).reversed());
      out.addAll(lines);
      out.add(
          line(
              phase,
              "all",
              ours.values().stream().flatMap(List::stream).toList(),
              ran.values().stream().flatMap(List::stream).toList()));
    }
    return out;
  }

  private static String group(Counted c) {
    return ROTATION.contains(c.operation) ? ROTATION_GROUP : c.operation;
  }

  private static List<Map<String, List<NcuCsv.Launch>>> passes(List<NcuCsv.Launch> launches) {
    List<Map<String, List<NcuCsv.Launch>>> out = new ArrayList<>();
    boolean embedding = false;
    for (NcuCsv.Launch l : launches) {
      String group = groupOf(l.kernel());
      boolean embeds = group.equals("embed");
      if (out.isEmpty() || (embeds && !embedding)) {
        out.add(new LinkedHashMap<>());
      }
      embedding = embeds;
      out.getLast().computeIfAbsent(group, k -> new ArrayList<>()).add(l);
    }
    return out;
  }

  private static Line line(
      String phase, String group, List<Counted> counted, List<NcuCsv.Launch> launches) {
    return new Line(
        phase,
        group,
        launches.size(),
        counted.stream().mapToLong(Counted::bytes).sum(),
        sum(launches, true),
        counted.stream().mapToLong(Counted::flops).sum(),
        sum(launches, false));
  }

  /** Null where one launch does not say: a sum without it would look like a smaller count. */
  private static @Nullable Double sum(List<NcuCsv.Launch> launches, boolean bytes) {
    double sum = 0;
    for (NcuCsv.Launch l : launches) {
      Double one = bytes ? dramBytes(l) : flops(l);
      if (one == null) {
        return null;
      }
      sum += one;
    }
    return launches.isEmpty() ? null : Double.valueOf(sum);
  }

  private static @Nullable Double dramBytes(NcuCsv.Launch l) {
    Double read = either(l, "dram__bytes_read.sum", "dram__bytes_op_read.sum");
    Double written = either(l, "dram__bytes_write.sum", "dram__bytes_op_write.sum");
    return read == null || written == null ? null : Double.valueOf(read + written);
  }

  private static @Nullable Double either(NcuCsv.Launch l, String one, String other) {
    Double value = l.metrics().get(one);
    return value == null ? l.metrics().get(other) : value;
  }

  private static @Nullable Double flops(NcuCsv.Launch l) {
    Double fma = l.metrics().get(INSTRUCTIONS + "ffma_pred_on.sum");
    Double add = l.metrics().get(INSTRUCTIONS + "fadd_pred_on.sum");
    Double mul = l.metrics().get(INSTRUCTIONS + "fmul_pred_on.sum");
    List<Double> tensor =
        l.metrics().entrySet().stream()
            .filter(e -> e.getKey().startsWith(TENSOR) && !partOfAnother(e.getKey(), l))
            .map(Map.Entry::getValue)
            .toList();
    // Without the counters of tensor cores a product of 16-bit numbers would look free.
    if (fma == null || add == null || mul == null || tensor.isEmpty()) {
      return null;
    }
    return 2 * fma + add + mul + tensor.stream().mapToDouble(Double::doubleValue).sum();
  }

  /** Some versions give a sum and its dense and 2:4-sparse parts, some only the parts. */
  private static boolean partOfAnother(String metric, NcuCsv.Launch l) {
    String whole = metric.replaceAll("_sparsity_(on|off)", "");
    return !whole.equals(metric) && l.metrics().containsKey(whole);
  }
}
