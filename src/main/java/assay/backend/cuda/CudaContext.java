package assay.backend.cuda;

import assay.backend.DeviceException;
import assay.backend.cuda.Handles.Stream;
import assay.backend.cuda.ffm.DriverCalls;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;
import org.jspecify.annotations.Nullable;

/**
 * The primary context of one device and one stream in it, used by one thread. Every status of the
 * driver passes through {@link #check}. After an error that the context does not survive it is
 * given up: all further calls fail at once with the first error's name, and closing resets the
 * device's context, so that nothing stays behind.
 */
final class CudaContext implements AutoCloseable {
  private final CudaLibraries libraries;
  private final GpuProperties properties;
  private final Thread owner = Thread.currentThread();
  private final CUdevice device = new CUdevice();
  private final Stream stream = new Stream();
  private final long streamAddress;
  private String lastKernel = "none";
  private @Nullable String lost;
  private boolean closed;
  private boolean capturing;

  /** Retains the device's primary context and makes it this thread's. */
  CudaContext(CudaLibraries libraries, int ordinal) {
    this.libraries = libraries;
    this.properties = GpuProperties.of(ordinal);
    CudaStatus.check(JCudaDriver.cuDeviceGet(device, ordinal), "cuDeviceGet");
    CUcontext context = new CUcontext();
    CudaStatus.check(
        JCudaDriver.cuDevicePrimaryCtxRetain(context, device), "cuDevicePrimaryCtxRetain");
    try {
      CudaStatus.check(JCudaDriver.cuCtxSetCurrent(context), "cuCtxSetCurrent");
      CudaStatus.check(
          JCudaDriver.cuStreamCreate(stream, CUstream_flags.CU_STREAM_NON_BLOCKING),
          "cuStreamCreate");
    } catch (Throwable t) {
      int _ = JCudaDriver.cuDevicePrimaryCtxRelease(device);
      throw t;
    }
    streamAddress = stream.address();
  }

  CudaLibraries libraries() {
    return libraries;
  }

  DriverCalls calls() {
    return libraries.calls();
  }

  GpuProperties properties() {
    return properties;
  }

  /** The stream that everything is enqueued on. */
  Stream stream() {
    return stream;
  }

  /** Its address, for calls without JCuda. */
  long streamAddress() {
    return streamAddress;
  }

  /**
   * Fails unless this is the owner's thread and the context still works.
   *
   * @throws DeviceException with the error that the context was given up for
   */
  void enter() {
    if (Thread.currentThread().threadId() != owner.threadId()) {
      throw new IllegalStateException(
          "the CUDA context belongs to thread %s, not %s"
              .formatted(owner.getName(), Thread.currentThread().getName()));
    }
    if (lost != null) {
      throw new DeviceException("the CUDA context was given up after " + lost);
    }
    if (closed) {
      throw new IllegalStateException("the CUDA context is closed");
    }
  }

  /** Passes a status on; gives the context up where it does not survive the error. */
  void check(int status, String operation) {
    if (status != CUresult.CUDA_SUCCESS) {
      throw failed(status, operation);
    }
  }

  private DeviceException failed(int status, String operation) {
    if (!CudaStatus.isSticky(status)) {
      return CudaStatus.failure(status, operation);
    }
    // Kernels fail later than they are enqueued: any of those since the last wait may be the one.
    DeviceException e =
        CudaStatus.failure(status, operation + "; the last kernel enqueued was " + lastKernel);
    if (lost == null) {
      lost = CudaStatus.name(status) + " in " + operation;
    }
    return e;
  }

  /** The same for a library's status that may hide an error of the driver: asks for it. */
  DeviceException failedLibrary(DeviceException failure) {
    int status = lost == null ? JCudaDriver.cuStreamSynchronize(stream) : CUresult.CUDA_SUCCESS;
    if (CudaStatus.isSticky(status)) {
      lost = CudaStatus.name(status) + " after " + failure.getMessage();
      return new DeviceException(CudaStatus.name(status) + " behind " + failure.getMessage());
    }
    return failure;
  }

  /** Whether the context was given up. */
  boolean isLost() {
    return lost != null;
  }

  /** Names the kernel that is being enqueued, for messages. */
  void enqueuing(String kernel) {
    lastKernel = kernel;
  }

  /** Whether enqueued work is being captured instead of run. */
  boolean isCapturing() {
    return capturing;
  }

  void capturing(boolean capturing) {
    this.capturing = capturing;
  }

  /** Waits for everything enqueued. */
  void synchronize() {
    enter();
    if (capturing) {
      throw new IllegalStateException("the device is awaited inside of a recording");
    }
    check(JCudaDriver.cuStreamSynchronize(stream), "cuStreamSynchronize");
  }

  /** {@link CudaBackend#profiled}. */
  void profiled(Runnable work) {
    enter();
    check(JCudaDriver.cuProfilerStart(), "cuProfilerStart");
    work.run();
    check(JCudaDriver.cuProfilerStop(), "cuProfilerStop");
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    if (lost != null) {
      // Frees everything that the lost context still holds; its error codes say nothing new.
      int _ = JCudaDriver.cuDevicePrimaryCtxReset(device);
      int _ = JCudaDriver.cuDevicePrimaryCtxRelease(device);
      return;
    }
    int destroyed = JCudaDriver.cuStreamDestroy(stream);
    int released = JCudaDriver.cuDevicePrimaryCtxRelease(device);
    CudaStatus.check(destroyed, "cuStreamDestroy");
    CudaStatus.check(released, "cuDevicePrimaryCtxRelease");
  }
}
