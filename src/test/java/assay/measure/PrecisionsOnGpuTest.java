package assay.measure;

import assay.backend.Backend;
import assay.backend.cuda.OnGpu;
import org.junit.jupiter.api.extension.ExtendWith;

/** Golden models in every precision on a real GPU. */
@ExtendWith(OnGpu.class)
class PrecisionsOnGpuTest extends AbstractPrecisionsTest {
  @Override
  protected Backend backend() {
    return OnGpu.open();
  }
}
