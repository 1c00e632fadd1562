package assay.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import assay.backend.Backend;
import assay.engine.AbstractGoldenTest;
import assay.engine.Golden;
import java.util.List;

/**
 * The golden models on the whole back end over the stand-in driver: all of them at once and token
 * by token after a prompt, some of them also in the many passes of a longer test.
 */
class CudaGoldenStandInTest extends AbstractGoldenTest {
  /** Not those that differ in their files alone. */
  static List<Golden> models() {
    return named(
        "gpt2",
        "mistral",
        "llama3-rope",
        "llama-bias-linear",
        "qwen2",
        "qwen3-window",
        "baichuan2-alibi");
  }

  private static List<Golden> named(String... names) {
    List<Golden> out =
        Golden.all().stream().filter(g -> List.of(names).contains(g.name())).toList();
    assertEquals(names.length, out.size());
    return out;
  }

  /** One without rotary embeddings and with biases, one with a window and grouped heads. */
  static List<Golden> modelsInManyPasses() {
    return named("gpt2", "mistral");
  }

  @Override
  protected Backend backend() {
    return StandIn.open();
  }
}
