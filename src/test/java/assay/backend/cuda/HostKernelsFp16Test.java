package assay.backend.cuda;

import assay.model.Precision;

/** The same with fp16 activations, threads backward. */
class HostKernelsFp16Test extends HostKernelsFp32Test {
  @Override
  protected boolean tensorCores() {
    return true;
  }

  @Override
  protected int schedule() {
    return 1;
  }

  /** The logits are fp32 here, too: {@link HostKernelsFp32Test} draws more. */
  @Override
  protected int samplingDraws() {
    return 4;
  }

  @Override
  protected Precision precision() {
    return Precision.FP16;
  }
}
