package assay.backend.cuda.ffm;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.invoke.MethodHandle;

/**
 * The two calls of the decode loop. JCuda builds native copies of its argument objects for each
 * launch (some microseconds); the same functions cost tens of nanoseconds here. Handles and
 * addresses are plain longs, so that a call allocates nothing.
 */
public final class DriverCalls {
  private final MethodHandle launchKernel;
  private final MethodHandle graphLaunch;

  /** Finds both in libcuda. */
  public DriverCalls(NativeLibrary libcuda) {
    launchKernel =
        libcuda.require(
            "cuLaunchKernel",
            FunctionDescriptor.of(
                JAVA_INT, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT,
                JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG));
    graphLaunch =
        libcuda.require("cuGraphLaunch", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG));
  }

  /**
   * Enqueues a kernel over gridX × gridY × gridZ blocks of {@code block} threads.
   *
   * @param parameters address of an array with the address of each argument
   * @return CUresult
   */
  public int launchKernel(
      long function,
      int gridX,
      int gridY,
      int gridZ,
      int block,
      int sharedBytes,
      long stream,
      long parameters) {
    try {
      return (int)
          launchKernel.invokeExact(
              function, gridX, gridY, gridZ, block, 1, 1, sharedBytes, stream, parameters, 0L);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /** Enqueues an executable graph; returns CUresult. */
  public int graphLaunch(long graphExec, long stream) {
    try {
      return (int) graphLaunch.invokeExact(graphExec, stream);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /** A downcall throws nothing of its own; method handles only declare it. */
  static RuntimeException unexpected(Throwable e) {
    if (e instanceof RuntimeException r) {
      throw r;
    }
    if (e instanceof Error error) {
      throw error;
    }
    throw new IllegalStateException(e);
  }
}
