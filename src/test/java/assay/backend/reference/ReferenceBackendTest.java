package assay.backend.reference;

import assay.backend.AbstractBackendTest;
import assay.backend.Backend;

/**
 * The reference against itself: shows that the checks run, and holds its invariants (masks, ties,
 * recording).
 */
class ReferenceBackendTest extends AbstractBackendTest {
  @Override
  protected Backend backend() {
    return new ReferenceBackend();
  }
}
