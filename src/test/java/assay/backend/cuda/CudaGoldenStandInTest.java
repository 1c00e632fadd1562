package assay.backend.cuda;

import assay.backend.Backend;
import assay.engine.AbstractGoldenTest;
import assay.engine.Golden;
import java.util.List;

/**
 * The golden models on the whole back end over the stand-in driver: all of them at once and token
 * by token after a prompt, some of them also in the many passes of a longer test.
 */
class CudaGoldenStandInTest extends AbstractGoldenTest {
  /** One without rotary embeddings and with biases, one with a window and grouped heads. */
  static List<Golden> modelsInManyPasses() {
    return Golden.all().stream()
        .filter(g -> List.of("gpt2", "mistral").contains(g.name()))
        .toList();
  }

  @Override
  protected Backend backend() {
    return StandIn.open();
  }
}
