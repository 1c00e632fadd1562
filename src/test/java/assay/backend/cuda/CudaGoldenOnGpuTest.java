package assay.backend.cuda;

import assay.backend.Backend;
import assay.engine.AbstractGoldenTest;
import org.junit.jupiter.api.extension.ExtendWith;

/** The golden models on a real GPU, in fp32. */
@ExtendWith(OnGpu.class)
class CudaGoldenOnGpuTest extends AbstractGoldenTest {
  @Override
  protected Backend backend() {
    return OnGpu.open();
  }
}
