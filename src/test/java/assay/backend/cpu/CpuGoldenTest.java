package assay.backend.cpu;

import assay.backend.Backend;
import assay.engine.AbstractGoldenTest;

class CpuGoldenTest extends AbstractGoldenTest {
  @Override
  protected Backend backend() {
    return new CpuBackend();
  }
}
