package assay.backend.cuda;

import assay.backend.Recording;
import assay.backend.cuda.Handles.GraphExec;
import jcuda.driver.CUgraph;
import jcuda.driver.CUstreamCaptureMode;
import jcuda.driver.JCudaDriver;

/** A captured sequence of operations: one launch from the host however many kernels it holds. */
final class CudaGraph implements Recording {
  private final CudaContext context;
  private final GraphExec exec;
  private final long execAddress;
  private final long nodes;
  private boolean open = true;

  private CudaGraph(CudaContext context, GraphExec exec, long nodes) {
    this.context = context;
    this.exec = exec;
    this.execAddress = exec.address();
    this.nodes = nodes;
  }

  /**
   * Runs {@code body} twice on the host and once on the device: first for real, so that every
   * kernel is loaded and all scratch is there (neither may happen during a capture), then captured.
   */
  static CudaGraph record(CudaContext context, Runnable body) {
    context.enter();
    if (context.isCapturing()) {
      throw new IllegalStateException("a recording inside of a recording");
    }
    body.run();
    CUgraph graph = capture(context, body);
    try {
      long[] nodes = new long[1];
      context.check(JCudaDriver.cuGraphGetNodes(graph, null, nodes), "cuGraphGetNodes");
      GraphExec exec = new GraphExec();
      context.check(JCudaDriver.cuGraphInstantiate(exec, graph, 0), "cuGraphInstantiate");
      return new CudaGraph(context, exec, nodes[0]);
    } finally {
      if (!context.isLost()) {
        int _ = JCudaDriver.cuGraphDestroy(graph);
      }
    }
  }

  private static CUgraph capture(CudaContext context, Runnable body) {
    // Relaxed: libraries may call what other modes forbid, and nobody else uses the stream.
    context.check(
        JCudaDriver.cuStreamBeginCapture(
            context.stream(), CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED),
        "cuStreamBeginCapture");
    context.capturing(true);
    CUgraph graph = new CUgraph();
    Throwable failure = null;
    try {
      body.run();
    } catch (Throwable t) {
      failure = t;
      throw t;
    } finally {
      context.capturing(false);
      int status = JCudaDriver.cuStreamEndCapture(context.stream(), graph);
      if (failure == null) {
        context.check(status, "cuStreamEndCapture");
      } else if (status == 0) {
        int _ = JCudaDriver.cuGraphDestroy(graph);
      }
    }
    return graph;
  }

  /** Kernels and copies in it. */
  long nodes() {
    return nodes;
  }

  @Override
  public void replay() {
    context.enter();
    if (!open) {
      throw new IllegalStateException("the recording is closed");
    }
    context.enqueuing("in a graph");
    int status = context.calls().graphLaunch(execAddress, context.streamAddress());
    if (status != 0) {
      context.check(status, "cuGraphLaunch");
    }
  }

  @Override
  public void close() {
    if (open && !context.isLost()) {
      int _ = JCudaDriver.cuGraphExecDestroy(exec);
    }
    open = false;
  }
}
