package assay.backend.cuda;

import assay.backend.AbstractBackendTest;
import assay.backend.Backend;
import assay.model.DType;
import java.util.List;

/**
 * Every operation of the whole back end, through JCuda, on the stand-in driver: fp32 activations.
 */
class CudaBackendStandInTest extends AbstractBackendTest {
  @Override
  protected Backend backend() {
    return StandIn.open();
  }

  /** A thousand fibres take milliseconds for what a block does in microseconds. */
  @Override
  protected int samplingDraws() {
    return 20;
  }

  @Override
  protected List<DType> weightTypes() {
    return List.of(DType.F32, DType.F16, DType.BF16, DType.F8E4M3, DType.Q8_0, DType.Q4_0);
  }
}
