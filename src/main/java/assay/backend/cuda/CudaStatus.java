package assay.backend.cuda;

import assay.backend.DeviceException;
import jcuda.driver.CUresult;
import jcuda.jcublas.cublasStatus;
import jcuda.jcurand.curandStatus;

/**
 * Statuses by name: what the user reads when a device fails, and which failures a context does not
 * survive.
 */
final class CudaStatus {
  private CudaStatus() {}

  /** The driver's name of a status. */
  static String name(int status) {
    String name = CUresult.stringFor(status);
    // JCuda answers codes newer than itself with a sentence.
    return name.startsWith("CUDA_") ? name : "CUresult " + status;
  }

  /** An error of the driver during an operation. */
  static DeviceException failure(int status, String operation) {
    return new DeviceException(name(status) + " in " + operation);
  }

  /** Checks a status of the driver outside of a context. */
  static void check(int status, String operation) {
    if (status != CUresult.CUDA_SUCCESS) {
      throw failure(status, operation);
    }
  }

  /** Checks a status of cuBLAS or cuBLASLt, which share their codes. */
  static void checkBlas(int status, String operation) {
    if (status != cublasStatus.CUBLAS_STATUS_SUCCESS) {
      throw new DeviceException(cublasStatus.stringFor(status) + " in " + operation);
    }
  }

  /** Checks a status of cuRAND. */
  static void checkRand(int status, String operation) {
    if (status != curandStatus.CURAND_STATUS_SUCCESS) {
      throw new DeviceException(curandStatus.stringFor(status) + " in " + operation);
    }
  }

  /**
   * Errors after which every further call in the context returns the same: the CUDA driver's
   * documentation says of each that "the process must be terminated and relaunched", or that the
   * context cannot be used.
   */
  static boolean isSticky(int status) {
    return switch (status) {
      case CUresult.CUDA_ERROR_ECC_UNCORRECTABLE,
          CUresult.CUDA_ERROR_NVLINK_UNCORRECTABLE,
          CUresult.CUDA_ERROR_CONTEXT_IS_DESTROYED,
          CUresult.CUDA_ERROR_ILLEGAL_ADDRESS,
          CUresult.CUDA_ERROR_LAUNCH_TIMEOUT,
          CUresult.CUDA_ERROR_ASSERT,
          CUresult.CUDA_ERROR_HARDWARE_STACK_ERROR,
          CUresult.CUDA_ERROR_ILLEGAL_INSTRUCTION,
          CUresult.CUDA_ERROR_MISALIGNED_ADDRESS,
          CUresult.CUDA_ERROR_INVALID_ADDRESS_SPACE,
          CUresult.CUDA_ERROR_INVALID_PC,
          CUresult.CUDA_ERROR_LAUNCH_FAILED,
          CUresult.CUDA_ERROR_EXTERNAL_DEVICE,
          CUresult.CUDA_ERROR_UNKNOWN ->
          true;
      default -> false;
    };
  }
}
