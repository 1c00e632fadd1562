package assay.model;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;

/** Models known by name. Shapes are those of the published config.json files. */
public final class Presets {
  private static final SequencedMap<String, ModelConfig> ALL = all();

  private Presets() {}

  /** All presets by name, smallest families first. */
  public static SequencedMap<String, ModelConfig> byName() {
    return ALL;
  }

  private static SequencedMap<String, ModelConfig> all() {
    SequencedMap<String, ModelConfig> m = new LinkedHashMap<>();
    RopeScaling llama31 = new RopeScaling.Llama3(8, 1, 4, 8192);
    RopeScaling llama32 = new RopeScaling.Llama3(32, 1, 4, 8192);
    RopeScaling none = new RopeScaling.None();
    put(m, llama("tiny").size(6, 288, 768).heads(6, 6, 48).tokens(32_000, 2048).tied(true));
    put(m, gpt("gpt2").size(12, 768, 3072).heads(12, 12, 64).tokens(50_257, 1024));
    put(
        m,
        llama("smollm2-135m")
            .size(30, 576, 1536)
            .heads(9, 3, 64)
            .tokens(49_152, 8192)
            .rope(100_000, none)
            .tied(true));
    put(
        m,
        qwen2("qwen2.5-0.5b")
            .size(24, 896, 4864)
            .heads(14, 2, 64)
            .tokens(151_936, 32_768)
            .tied(true));
    put(
        m,
        ModelConfig.builder("qwen3-0.6b", "qwen3")
            .size(28, 1024, 3072)
            .heads(16, 8, 128)
            .tokens(151_936, 40_960)
            .norm(NormKind.RMS, 1e-6f)
            .rope(1_000_000, none)
            .qkNorm(true)
            .tied(true));
    put(m, llama("tinyllama-1.1b").size(22, 2048, 5632).heads(32, 4, 64).tokens(32_000, 2048));
    put(
        m,
        llama("llama-3.2-1b")
            .size(16, 2048, 8192)
            .heads(32, 8, 64)
            .tokens(128_256, 131_072)
            .rope(500_000, llama32)
            .tied(true));
    put(m, llama("llama-2-7b").size(32, 4096, 11_008).heads(32, 32, 128).tokens(32_000, 4096));
    put(
        m,
        ModelConfig.builder("mistral-7b", "mistral")
            .size(32, 4096, 14_336)
            .heads(32, 8, 128)
            .tokens(32_000, 32_768)
            .window(4096, 0));
    put(
        m,
        llama("llama-3.1-8b")
            .size(32, 4096, 14_336)
            .heads(32, 8, 128)
            .tokens(128_256, 131_072)
            .rope(500_000, llama31));
    put(m, qwen2("qwen2.5-7b").size(28, 3584, 18_944).heads(28, 4, 128).tokens(152_064, 32_768));
    put(
        m,
        qwen2("qwen2.5-14b")
            .size(48, 5120, 13_824)
            .heads(40, 8, 128)
            .tokens(152_064, 32_768)
            .norm(NormKind.RMS, 1e-5f));
    put(m, llama("llama-2-13b").size(40, 5120, 13_824).heads(40, 40, 128).tokens(32_000, 4096));
    put(
        m,
        llama("llama-3.1-70b")
            .size(80, 8192, 28_672)
            .heads(64, 8, 128)
            .tokens(128_256, 131_072)
            .rope(500_000, llama31));
    put(m, gpt("gpt-3-175b").size(96, 12_288, 49_152).heads(96, 96, 128).tokens(50_257, 2048));
    put(
        m,
        ModelConfig.builder("grok-1", "grok-1")
            .size(64, 6144, 32_768)
            .heads(48, 8, 128)
            .tokens(131_072, 8192)
            .mlp(Activation.GELU_TANH, true)
            .experts(8, 2)
            .tied(true));
    put(
        m,
        ModelConfig.builder("baichuan-7b", "baichuan")
            .size(32, 4096, 11_008)
            .heads(32, 32, 128)
            .tokens(64_000, 4096)
            .norm(NormKind.RMS, 1e-6f));
    put(
        m,
        ModelConfig.builder("baichuan2-7b", "baichuan")
            .size(32, 4096, 11_008)
            .heads(32, 32, 128)
            .tokens(125_696, 4096)
            .norm(NormKind.RMS, 1e-6f)
            .normalizedHead(true));
    return java.util.Collections.unmodifiableSequencedMap(m);
  }

  private static ModelConfig.Builder llama(String name) {
    return ModelConfig.builder(name, "llama");
  }

  private static ModelConfig.Builder qwen2(String name) {
    return ModelConfig.builder(name, "qwen2")
        .norm(NormKind.RMS, 1e-6f)
        .rope(1_000_000, new RopeScaling.None())
        .biases(true, false, false);
  }

  private static ModelConfig.Builder gpt(String name) {
    return ModelConfig.builder(name, "gpt2")
        .norm(NormKind.LAYER, 1e-5f)
        .mlp(Activation.GELU_TANH, false)
        .positions(PositionKind.LEARNED)
        .biases(true, true, true)
        .tied(true);
  }

  private static void put(Map<String, ModelConfig> m, ModelConfig.Builder b) {
    ModelConfig c = b.build();
    m.put(c.name(), c);
  }
}
