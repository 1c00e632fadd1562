package assay.engine;

import assay.backend.Backend;
import assay.backend.reference.ReferenceBackend;

class ReferenceGoldenTest extends AbstractGoldenTest {
  @Override
  protected Backend backend() {
    return new ReferenceBackend();
  }
}
