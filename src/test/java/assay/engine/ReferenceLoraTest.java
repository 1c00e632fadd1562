package assay.engine;

import assay.backend.Backend;
import assay.backend.reference.ReferenceBackend;

class ReferenceLoraTest extends AbstractLoraTest {
  @Override
  protected Backend backend() {
    return new ReferenceBackend();
  }
}
