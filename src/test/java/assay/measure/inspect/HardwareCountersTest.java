package assay.measure.inspect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.measure.inspect.HardwareCounters.Counted;
import assay.measure.inspect.HardwareCounters.Line;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class HardwareCountersTest {
  private static final String SASS = "smsp__sass_thread_inst_executed_op_";
  private static final String TENSOR = "sm__ops_path_tensor_src_bf16_dst_fp32";

  private static Map<String, Double> metrics(
      double read, double written, double fma, double add, double mul, double tensor) {
    return new HashMap<>(
        Map.of(
            "dram__bytes_read.sum",
            read,
            "dram__bytes_write.sum",
            written,
            SASS + "ffma_pred_on.sum",
            fma,
            SASS + "fadd_pred_on.sum",
            add,
            SASS + "fmul_pred_on.sum",
            mul,
            TENSOR + ".sum",
            tensor));
  }

  private static NcuCsv.Launch launch(String kernel, Map<String, Double> metrics) {
    return new NcuCsv.Launch(kernel, metrics);
  }

  private static final List<Counted> COUNTED =
      List.of(
          new Counted("prefill", "embed", 1, 0, 100),
          new Counted("prefill", "matmul", 2, 4000, 1000),
          new Counted("prefill", "rope", 1, 30, 40),
          new Counted("prefill", "store_kv", 1, 0, 20),
          new Counted("decode", "embed", 1, 0, 10),
          new Counted("decode", "matmul", 2, 400, 900),
          new Counted("decode", "activation", 1, 5, 6));

  private static final List<NcuCsv.Launch> LAUNCHES =
      List.of(
          launch("embed_bf16_bf16", metrics(110, 0, 0, 0, 0, 0)),
          launch("sm90_xmma_gemm_bf16bf16_bf16f32_f32_tn", metrics(600, 400, 0, 0, 0, 3000)),
          launch("cublasLt::splitKreduce_kernel", metrics(50, 50, 0, 200, 100, 0)),
          launch("rope_store_bf16_bf16", metrics(50, 20, 15, 0, 0, 0)),
          launch("embed_bf16_bf16", metrics(10, 0, 0, 0, 0, 0)),
          launch("embed_positions_bf16_bf16", metrics(5, 0, 0, 0, 0, 0)),
          launch("gemv_bf16_bf16", metrics(910, 0, 190, 10, 10, 0)));

  private static Line of(String phase, String operation) {
    return HardwareCounters.compare(COUNTED, LAUNCHES).stream()
        .filter(l -> l.phase().equals(phase) && l.operation().equals(operation))
        .findFirst()
        .orElseThrow();
  }

  @Test
  void theLibrarysKernelsAreProducts() {
    assertEquals(
        new Line("prefill", "matmul", 2, 1000, 1100.0, 4000, 3300.0), of("prefill", "matmul"));
    assertEquals(1.1, of("prefill", "matmul").bytesRatio());
    assertEquals(0.825, of("prefill", "matmul").flopsRatio());
  }

  @Test
  void oneKernelForTwoOperations() {
    assertEquals(
        new Line("prefill", "rope, store_kv", 1, 60, 70.0, 30, 30.0),
        of("prefill", "rope, store_kv"));
  }

  @Test
  void aPassBeginsWithTheEmbeddings() {
    assertEquals(2, of("decode", "embed").launches());
    assertEquals(new Line("decode", "matmul", 1, 900, 910.0, 400, 400.0), of("decode", "matmul"));
    Line fused = of("decode", "activation");
    assertEquals(0, fused.launches());
    assertNull(fused.dramBytes());
    assertNull(fused.bytesRatio());
  }

  @Test
  void allOfAPhase() {
    assertEquals(new Line("prefill", "all", 4, 1160, 1280.0, 4030, 3330.0), of("prefill", "all"));
    assertEquals(new Line("decode", "all", 3, 916, 925.0, 405, 400.0), of("decode", "all"));
    List<Line> lines = HardwareCounters.compare(COUNTED, LAUNCHES);
    assertEquals("matmul", lines.getFirst().operation());
    assertEquals("all", lines.getLast().operation());
  }

  /** A sum over some of the launches would look like a smaller figure. */
  @Test
  void oneMissingCounterLeavesTheSumOpen() {
    Map<String, Double> without = metrics(1, 1, 1, 1, 1, 1);
    without.remove("dram__bytes_write.sum");
    without.remove(TENSOR + ".sum");
    List<NcuCsv.Launch> launches = List.of(LAUNCHES.getFirst(), launch("gemv_f32_f32", without));
    Line l = HardwareCounters.compare(COUNTED, launches).getFirst();
    assertEquals("matmul", l.operation());
    assertNull(l.dramBytes());
    assertNull(l.counterFlops());
  }

  @Test
  void aSumIsNotAddedToItsParts() {
    Map<String, Double> both = metrics(0, 0, 0, 0, 0, 700);
    both.put(TENSOR + "_sparsity_off.sum", 700.0);
    both.put("sm__ops_path_tensor_src_fp8_dst_fp32_sparsity_off.sum", 11.0);
    Line l =
        HardwareCounters.compare(COUNTED, List.of(launch("gemm", both))).stream()
            .filter(x -> x.operation().equals("matmul"))
            .findFirst()
            .orElseThrow();
    assertEquals(711.0, l.counterFlops());
  }

  @Test
  void newerNamesOfTheMemorysCounters() {
    Map<String, Double> newer = metrics(1, 1, 0, 0, 0, 0);
    newer.remove("dram__bytes_read.sum");
    newer.remove("dram__bytes_write.sum");
    newer.put("dram__bytes_op_read.sum", 30.0);
    newer.put("dram__bytes_op_write.sum", 4.0);
    Line all = HardwareCounters.compare(COUNTED, List.of(launch("gemm", newer))).getLast();
    assertEquals(34.0, all.dramBytes());
  }

  @Test
  void morePassesThanWereCountedAreRefused() {
    List<NcuCsv.Launch> three = new java.util.ArrayList<>(LAUNCHES);
    three.addAll(LAUNCHES);
    assertThrows(IllegalArgumentException.class, () -> HardwareCounters.compare(COUNTED, three));
  }

  @Test
  void whatIsAskedFor() {
    assertTrue(HardwareCounters.uses("sm__ops_path_tensor_src_tf32_dst_fp32_sparsity_off.sum"));
    assertTrue(HardwareCounters.uses("dram__bytes_read.sum"));
    assertFalse(HardwareCounters.uses("dram__bytes_read.sum.per_second"));
  }
}
