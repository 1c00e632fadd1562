package assay.results;

import java.util.List;
import java.util.Map;

/** Rows for tests. */
public final class Rows {
  private Rows() {}

  /** A whole row of made-up numbers. */
  public static ResultRow full(String id) {
    return new ResultRow(
        1,
        id,
        "2026-01-31T12:00:00Z",
        new Environment(
            "cpu",
            "A CPU",
            "CpuBackend",
            null,
            null,
            "A CPU",
            2,
            2,
            "host",
            "Linux 6",
            "25.0.1",
            "0.1.0",
            "abc1234",
            1L << 34,
            Map.of("vector_bits", "512")),
        new ModelFacts("tiny", "llama", 15_191_712L, 6, 288, 768, 6, 6, 48, 32_000, "random"),
        "bf16",
        new WorkloadFacts("inference", 1, 128, 64, 128, "bf16"),
        new ResultRow.Rules(30_383_424L, 3_889_078_272L, 30_383_424L),
        new Prediction(
            30_000_000L,
            2_000_000L,
            1_000_000L,
            50_000L,
            0L,
            33_050_000L,
            4_000_000_000L,
            31_000_000L,
            0.02,
            0.001,
            null),
        new Prediction(
            30_000_000L,
            2_000_000L,
            1_000_000L,
            50_000L,
            0L,
            33_050_000L,
            4_000_000_000L,
            31_000_000L,
            0.0208,
            0.00112,
            "calibration of A CPU"),
        true,
        new Check(true, "logits of 9 tokens", 1e-6, 1e-5, "row 3 id 7: 1.5 for 1.4999"),
        new Measurement(
            30_000_000L,
            2_000_000L,
            1_000_000L,
            50_000L,
            2_304L,
            33_052_304L,
            200_000_000L,
            4_000_000_000L,
            31_000_000L,
            31_000_000L,
            31_500_000L,
            new Times(0.021, 0.020, 0.025, 7),
            new Times(0.0011, 0.001, 0.0012, 5),
            1.9e11,
            2.8e10,
            2.86e10,
            6095.2,
            909.1,
            null),
        new Ceilings(
            2.5e11,
            "measured",
            null,
            2.5e11,
            "1024×2048×2048",
            3.0e10,
            1L << 29,
            "sum",
            1L << 25,
            6e10,
            null,
            1,
            2.2e11),
        new Utilization(
            0.76,
            0.11,
            0.95,
            0.9,
            0.02,
            Utilization.RULE,
            Utilization.Verdict.ABOVE,
            Utilization.Verdict.BELOW,
            0.76,
            0.11),
        List.of(new OperationTime("prefill", "matmul", "288→960", 6, 0.004, 1_000L, 2_000L)),
        new Samples(
            List.of(0.02, 0.021),
            List.of(0.001, 0.0012),
            3,
            List.of(new Pace(2.1e11, 2.9e10, 5.9e10))),
        new ResultRow.Arithmetic("fp32 FMA", "fp32 FMA"),
        List.of("spread of decode 18 %"),
        "assay run");
  }

  /** The row with what a device said of its clocks. */
  public static ResultRow throttled(ResultRow r, String... reasons) {
    Measurement m = r.measured();
    return r.withMeasured(
        true,
        r.check(),
        new Measurement(
            m.weightsBytes(),
            m.kvCacheBytes(),
            m.activationsBytes(),
            m.workspaceBytes(),
            m.overheadBytes(),
            m.totalBytes(),
            null,
            m.prefillFlops(),
            m.decodeFlopsPerToken(),
            m.prefillBytesRead(),
            m.decodeBytesReadPerPass(),
            m.prefillSeconds(),
            m.decodeSecondsPerToken(),
            m.prefillFlopsPerSecond(),
            m.decodeFlopsPerSecond(),
            m.decodeBytesPerSecond(),
            m.prefillTokensPerSecond(),
            m.decodeTokensPerSecond(),
            new DeviceReadings(
                1,
                1,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                List.of(reasons),
                null)),
        r.ceilings(),
        r.utilization(),
        null,
        null,
        List.of());
  }

  /** The same row of another model on another machine, without a calibration. */
  public static ResultRow named(String model, String device, String host) {
    ResultRow r = full(model + device + host);
    Environment e = r.environment();
    ModelFacts m = r.model();
    return new ResultRow(
        1,
        r.id(),
        r.time(),
        new Environment(
            e.device(),
            device,
            e.implementation(),
            null,
            null,
            e.cpu(),
            e.cores(),
            e.threads(),
            host,
            e.os(),
            e.java(),
            e.assay(),
            e.git(),
            e.deviceMemoryBytes(),
            e.facts()),
        new ModelFacts(
            model,
            m.architecture(),
            m.parameters(),
            m.layers(),
            m.hiddenSize(),
            m.intermediateSize(),
            m.heads(),
            m.kvHeads(),
            m.headDim(),
            m.vocabulary(),
            m.weights()),
        r.precision(),
        r.workload(),
        r.rules(),
        r.estimate(),
        null,
        r.valid(),
        r.check(),
        r.measured(),
        r.ceilings(),
        r.utilization(),
        r.operations(),
        r.samples(),
        r.arithmetic(),
        List.of(model),
        "assay run " + model);
  }

  /** A comparison of made-up numbers. */
  public static Comparison comparison(String model, String variant, double kl, long bytes) {
    ResultRow r = full("c");
    return new Comparison(
        1,
        r.time(),
        r.environment(),
        named(model, "A CPU", "host").model(),
        variant,
        "fp32",
        "fp32 FMA",
        256,
        128,
        64,
        bytes,
        bytes,
        1000,
        0.001,
        100.0,
        10.0,
        kl,
        10 * kl,
        0.97,
        5.5,
        3,
        0.01,
        "assay compare " + model);
  }
}
