package assay.backend.cuda;

import assay.backend.Mark;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.JCudaDriver;

/** An event in the stream; its time has a resolution of about half a microsecond. */
final class CudaMark implements Mark {
  private final CudaContext context;
  private final CUevent event = new CUevent();
  private boolean open;

  CudaMark(CudaContext context) {
    this.context = context;
    context.enter();
    context.check(
        JCudaDriver.cuEventCreate(event, CUevent_flags.CU_EVENT_DEFAULT), "cuEventCreate");
    open = true;
  }

  @Override
  public void record() {
    context.enter();
    context.check(JCudaDriver.cuEventRecord(event, context.stream()), "cuEventRecord");
  }

  @Override
  public double secondsSince(Mark earlier) {
    context.enter();
    float[] milliseconds = new float[1];
    context.check(
        JCudaDriver.cuEventElapsedTime(milliseconds, ((CudaMark) earlier).event, event),
        "cuEventElapsedTime");
    return milliseconds[0] * 1e-3;
  }

  @Override
  public void close() {
    if (open && !context.isLost()) {
      int _ = JCudaDriver.cuEventDestroy(event);
    }
    open = false;
  }
}
