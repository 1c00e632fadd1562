package assay.backend.cuda;

import assay.backend.AbstractBackendTest;
import assay.backend.Backend;
import assay.model.DType;
import java.util.List;
import org.junit.jupiter.api.extension.ExtendWith;

/** Every operation on a real GPU: fp32 activations. */
@ExtendWith(OnGpu.class)
class CudaBackendOnGpuTest extends AbstractBackendTest {
  @Override
  protected Backend backend() {
    return OnGpu.open();
  }

  @Override
  protected List<DType> weightTypes() {
    return List.of(DType.F32, DType.F16, DType.BF16, DType.F8E4M3, DType.Q8_0, DType.Q4_0);
  }
}
