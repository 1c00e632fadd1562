package assay.measure.experiment;

import assay.backend.Backend;
import assay.checkpoint.RandomWeights;
import assay.engine.Session;
import assay.engine.SessionOptions;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.tensor.MemoryCategory;
import java.util.Map;

/** M6: bytes of the KV cache with and without grouped queries. */
final class MemoryExperiments {
  private static final int HEADS = 8;
  private static final int KV_HEADS = 2;

  private MemoryExperiments() {}

  static Outcome groupedQueries(Backend backend) {
    return Outcome.of(
        "4 layers, 8 heads of 32, 1,024 slots, batch 2, fp32; 8 against 2 key/value heads",
        Map.of(
            "heads", (double) HEADS,
            "kv_heads", (double) KV_HEADS,
            "mha_kv_cache_bytes", (double) cacheBytes(backend, HEADS),
            "gqa_kv_cache_bytes", (double) cacheBytes(backend, KV_HEADS)));
  }

  private static long cacheBytes(Backend backend, int kvHeads) {
    ModelConfig config =
        ModelConfig.builder("gqa", "llama")
            .size(4, 256, 512)
            .heads(HEADS, kvHeads, 32)
            .tokens(256, 1024)
            .build();
    try (RandomWeights weights = new RandomWeights(config, 1);
        Session session =
            Session.open(
                backend,
                weights,
                SessionOptions.of(Precision.FP32, 2, 1024).withMaxPassTokens(16))) {
      Long bytes = session.memory().tensorBytes().get(MemoryCategory.KV_CACHE);
      return bytes == null ? 0 : bytes;
    }
  }
}
