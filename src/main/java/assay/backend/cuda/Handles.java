package assay.backend.cuda;

import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUfunction;
import jcuda.driver.CUgraphExec;
import jcuda.driver.CUstream;

/**
 * JCuda's opaque handles and pointers, with the addresses that they hide from all but their
 * subclasses.
 */
final class Handles {
  private Handles() {}

  /** A stream whose address the driver's own functions take. */
  static final class Stream extends CUstream {
    long address() {
      return getNativePointer();
    }
  }

  /** A kernel's function. */
  static final class Function extends CUfunction {
    long address() {
      return getNativePointer();
    }
  }

  /** An executable graph. */
  static final class GraphExec extends CUgraphExec {
    long address() {
      return getNativePointer();
    }
  }

  /** Device memory at a known address, or to be filled in by an allocation. */
  static final class DevicePointer extends CUdeviceptr {
    DevicePointer() {}

    DevicePointer(long address) {
      super(new CUdeviceptr(), address);
    }

    long address() {
      return getNativePointer() + getByteOffset();
    }
  }

  /** Host memory at a known address, or to be filled in by an allocation. */
  static final class HostPointer extends Pointer {
    HostPointer() {}

    HostPointer(long address) {
      super(address);
    }

    long address() {
      return getNativePointer();
    }
  }
}
