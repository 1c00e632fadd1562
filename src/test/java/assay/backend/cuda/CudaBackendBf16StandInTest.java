package assay.backend.cuda;

import assay.backend.AbstractBackendTest;
import assay.backend.Backend;
import assay.model.DType;
import assay.model.Precision;
import java.util.List;

/** The same with bf16 activations: kernels for tensor cores, and cuBLAS' 16-bit products. */
class CudaBackendBf16StandInTest extends AbstractBackendTest {
  @Override
  protected Backend backend() {
    return StandIn.open();
  }

  @Override
  protected Precision precision() {
    return Precision.BF16;
  }

  /** The logits are fp32 here, too: {@link CudaBackendStandInTest} draws more. */
  @Override
  protected int samplingDraws() {
    return 4;
  }

  @Override
  protected List<DType> weightTypes() {
    return List.of(DType.F32, DType.F16, DType.BF16, DType.F8E4M3, DType.Q8_0, DType.Q4_0);
  }
}
