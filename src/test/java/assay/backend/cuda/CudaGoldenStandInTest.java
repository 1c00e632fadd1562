package assay.backend.cuda;

import assay.backend.Backend;
import assay.engine.AbstractGoldenTest;

/** The golden models on the whole back end over the stand-in driver. */
class CudaGoldenStandInTest extends AbstractGoldenTest {
  @Override
  protected Backend backend() {
    return StandIn.open();
  }
}
