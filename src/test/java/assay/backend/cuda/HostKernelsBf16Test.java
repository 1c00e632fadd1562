package assay.backend.cuda;

import assay.model.Precision;

/** The same with bf16 activations, threads in a shuffled order. */
class HostKernelsBf16Test extends HostKernelsFp32Test {
  @Override
  protected boolean tensorCores() {
    return true;
  }

  @Override
  protected int schedule() {
    return 20_260;
  }

  /** The logits are fp32 here, too: {@link HostKernelsFp32Test} draws more. */
  @Override
  protected int samplingDraws() {
    return 4;
  }

  @Override
  protected Precision precision() {
    return Precision.BF16;
  }
}
