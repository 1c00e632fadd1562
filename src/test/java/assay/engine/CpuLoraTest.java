package assay.engine;

import assay.backend.Backend;
import assay.backend.cpu.CpuBackend;

class CpuLoraTest extends AbstractLoraTest {
  @Override
  protected Backend backend() {
    return new CpuBackend();
  }
}
