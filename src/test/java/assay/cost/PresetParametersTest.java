package assay.cost;

import static org.junit.jupiter.api.Assertions.assertEquals;

import assay.model.ModelConfig;
import assay.model.Presets;
import assay.model.WeightRole.Component;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Presets against published parameter counts. */
class PresetParametersTest {
  /**
   * Published: Hugging Face's model cards (safetensors metadata "Model size" to the parameter), for
   * gpt2 and Baichuan the sum over the shapes in the published checkpoints. Qwen 2.5's 14.7B and
   * 7.61B, Qwen 3's 0.6B and Llama's 1.24B, 8.03B, 70.6B round to these.
   */
  @ParameterizedTest
  @CsvSource({
    "gpt2, 124439808",
    "smollm2-135m, 134515008",
    "qwen2.5-0.5b, 494032768",
    "qwen3-0.6b, 596049920",
    "tinyllama-1.1b, 1100048384",
    "llama-3.2-1b, 1235814400",
    "llama-2-7b, 6738415616",
    "mistral-7b, 7241732096",
    "llama-3.1-8b, 8030261248",
    "qwen2.5-7b, 7615616512",
    "qwen2.5-14b, 14770033664",
    "llama-2-13b, 13015864320",
    "llama-3.1-70b, 70553706496",
    "baichuan-7b, 7000559616",
    "baichuan2-7b, 7505973248"
  })
  void exactCounts(String preset, long published) {
    ModelConfig c = preset(preset);
    assertEquals(published, c.parameters());
    assertEquals(published, ParameterCount.of(c).total());
  }

  /**
   * Sizes that are published rounded only: Brown et al. 2020 table 2.1; xAI's release of Grok-1.
   */
  @ParameterizedTest
  @CsvSource({"gpt-3-175b, 175e9", "grok-1, 314e9"})
  void roundedCounts(String preset, double published) {
    assertEquals(published, (double) preset(preset).parameters(), 0.01 * published);
  }

  /** The 15M shape of the "stories" models: 6 layers, 288 wide, 32,000 rows, tied. */
  @Test
  void tinyIsTheFifteenMillionShape() {
    long perLayer = 4L * 288 * 288 + 3L * 288 * 768 + 2 * 288;
    assertEquals(32_000L * 288 + 6 * perLayer + 288, preset("tiny").parameters());
    assertEquals(15_191_712, preset("tiny").parameters());
  }

  @Test
  void everyPresetIsCheckedHere() {
    Set<String> checked =
        new TreeSet<>(
            Set.of(
                "tiny",
                "gpt2",
                "smollm2-135m",
                "qwen2.5-0.5b",
                "qwen3-0.6b",
                "tinyllama-1.1b",
                "llama-3.2-1b",
                "llama-2-7b",
                "mistral-7b",
                "llama-3.1-8b",
                "qwen2.5-7b",
                "qwen2.5-14b",
                "llama-2-13b",
                "llama-3.1-70b",
                "gpt-3-175b",
                "grok-1",
                "baichuan-7b",
                "baichuan2-7b"));
    assertEquals(checked, new TreeSet<>(Presets.byName().keySet()));
  }

  /** Claim M5: rows of the matrix, not entries of the tokenizer. */
  @Test
  void embeddingIsCountedByRows() {
    assertEquals(
        151_936L * 896,
        ParameterCount.of(preset("qwen2.5-0.5b")).byComponent().get(Component.EMBEDDING));
  }

  /** Two of eight experts: 2/8 of the experts' weights are active. */
  @Test
  void inactiveExpertsAreNotActive() {
    ModelConfig grok = preset("grok-1");
    long experts = 64L * 8 * 3 * 32_768 * 6144;
    assertEquals(grok.parameters() - experts * 6 / 8, ParameterCount.of(grok).active());
  }

  private static ModelConfig preset(String name) {
    ModelConfig c = Presets.byName().get(name);
    assertEquals(name, c == null ? "absent" : c.name());
    return c;
  }
}
