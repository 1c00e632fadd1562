package assay.measure;

import assay.backend.Backend;
import assay.backend.cuda.StandIn;
import assay.engine.Golden;
import java.util.List;
import org.junit.jupiter.params.provider.Arguments;

/** A golden model in every precision on the whole CUDA back end over the stand-in driver. */
class PrecisionsStandInTest extends AbstractPrecisionsTest {
  static List<Arguments> modelsAndPrecisions() {
    return cases(Golden.all().stream().filter(g -> g.name().equals("qwen2")).toList());
  }

  @Override
  protected Backend backend() {
    return StandIn.open();
  }
}
