package assay.backend.cuda;

import assay.backend.AbstractBackendTest;
import assay.backend.Backend;
import assay.model.DType;
import java.util.List;

/** Every operation of the GPU kernels, compiled for the host, against the reference. */
class HostKernelsFp32Test extends AbstractBackendTest {
  /** 0: threads forward. */
  protected int schedule() {
    return 0;
  }

  /** As a device of compute capability 8.0 or more. */
  protected boolean tensorCores() {
    return false;
  }

  @Override
  protected Backend backend() {
    return new HostKernelBackend(new HostKernels(schedule()), tensorCores());
  }

  /** A thousand fibres take milliseconds for what a block does in microseconds. */
  @Override
  protected int samplingDraws() {
    return 40;
  }

  @Override
  protected List<DType> weightTypes() {
    return List.of(DType.F32, DType.F16, DType.BF16, DType.F8E4M3, DType.Q8_0, DType.Q4_0);
  }
}
