package assay.estimate;

import static assay.estimate.Coefficient.*;

import assay.units.Bytes;
import java.util.List;

/** The estimator's constants before calibration, each with where it comes from. */
final class DefaultConstants {
  private static final String AI_CONFIGURATOR = "NVIDIA AIConfigurator's assumption for every card";

  private static final String BAND = "the middle of the rule 0.30 to 0.55 (claim C5)";

  private static final String ZEN4 =
      "what calibrations on 2 cores of an AMD EPYC (Zen 4) come to, rounded; shares are of ceilings"
          + " measured on the same machine";

  private DefaultConstants() {}

  static List<Constant> of(DeviceKind kind) {
    return switch (kind) {
      case CUDA -> cuda();
      case CPU, REFERENCE -> cpu();
    };
  }

  private static List<Constant> cuda() {
    return List.of(
        Constant.of(
            MATMUL_EFFICIENCY,
            0.75,
            "between the large cuBLAS GEMMs published for H100 PCIe (0.66), H100 SXM5 (0.81) and"
                + " A100 SXM4 (0.85) in zzc0721/torch-performance-test-data, as shares of the dense"
                + " datasheet peak"),
        Constant.of(MATMUL_HALF_ROWS, 0, "none assumed; calibration finds it"),
        Constant.of(
            MATVEC_EFFICIENCY, 0.05, "assumed: bytes bound products of few rows on every card"),
        Constant.of(WEIGHT_BANDWIDTH_EFFICIENCY, 0.8, AI_CONFIGURATOR),
        Constant.of(
            ATTENTION_EFFICIENCY,
            0.35,
            "FlashAttention-2 forward in fp16 on H100, share of the dense peak (Shah et al. 2024,"
                + " FlashAttention-3)"),
        Constant.of(
            DECODE_ATTENTION_EFFICIENCY, 1, "assumed: bytes bound attention of single queries"),
        Constant.of(ATTENTION_BANDWIDTH_EFFICIENCY, 0.8, AI_CONFIGURATOR),
        Constant.of(ELEMENTWISE_BANDWIDTH_EFFICIENCY, 0.8, AI_CONFIGURATOR),
        Constant.of(CACHE_SHARE, 1, "no cache of a card is in the table: it has no effect there"),
        Constant.of(CACHE_BANDWIDTH_EFFICIENCY, 1, "no cache of a card is in the table"),
        Constant.of(LAUNCH_SECONDS, 3e-6, AI_CONFIGURATOR),
        Constant.of(SMALL_LAUNCH_SECONDS, 3e-6, AI_CONFIGURATOR),
        Constant.of(PASS_SECONDS, 0, "none assumed; calibration finds it"),
        Constant.of(TRAINING_UTILIZATION, 0.425, BAND),
        Constant.of(TRAINING_HALF_TOKENS, 0, "none assumed; calibration finds it"),
        Constant.of(WORKSPACE_BYTES, 0, "none assumed; calibration finds it"),
        Constant.of(
            OVERHEAD_BYTES,
            457.0 * Bytes.MIB,
            "a middle figure: CUDA contexts of 107 to 555 MiB are published by card and driver,"
                + " estimators assume 250 MiB to 3.5 GiB"));
  }

  private static List<Constant> cpu() {
    return List.of(
        Constant.of(MATMUL_EFFICIENCY, 1, ZEN4),
        Constant.of(MATMUL_HALF_ROWS, 7, ZEN4),
        Constant.of(MATVEC_EFFICIENCY, 0.65, ZEN4),
        Constant.of(WEIGHT_BANDWIDTH_EFFICIENCY, 0.95, ZEN4),
        Constant.of(ATTENTION_EFFICIENCY, 0.7, ZEN4),
        Constant.of(DECODE_ATTENTION_EFFICIENCY, 0.15, ZEN4),
        Constant.of(ATTENTION_BANDWIDTH_EFFICIENCY, 0.6, ZEN4),
        Constant.of(ELEMENTWISE_BANDWIDTH_EFFICIENCY, 0.55, ZEN4),
        Constant.of(CACHE_SHARE, 0.5, ZEN4),
        Constant.of(CACHE_BANDWIDTH_EFFICIENCY, 1, ZEN4),
        Constant.of(LAUNCH_SECONDS, 1.5e-7, ZEN4),
        Constant.of(SMALL_LAUNCH_SECONDS, 3e-8, ZEN4),
        Constant.of(PASS_SECONDS, 1e-7, ZEN4),
        Constant.of(TRAINING_UTILIZATION, 0.425, BAND),
        Constant.of(TRAINING_HALF_TOKENS, 0, "none assumed; calibration finds it"),
        Constant.of(WORKSPACE_BYTES, 0, "none assumed; calibration finds it"),
        Constant.of(
            OVERHEAD_BYTES,
            0,
            "device memory on a CPU is what the program allocates; the Java runtime's own resident"
                + " set is reported beside it"));
  }
}
