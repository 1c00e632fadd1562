package assay.backend.cuda;

import java.util.List;

/**
 * The native functions behind every JCuda method that is called here. JCuda's natives are bound
 * lazily: a function that the host's library lacks would end the JVM when it is called, so all are
 * looked up first.
 */
final class CudaSymbols {
  static final List<String> DRIVER =
      List.of(
          "cuInit",
          "cuDriverGetVersion",
          "cuDeviceGetCount",
          "cuDeviceGet",
          "cuDeviceGetName",
          "cuDeviceGetAttribute",
          "cuDeviceTotalMem_v2",
          "cuDeviceGetPCIBusId",
          "cuDeviceGetUuid",
          "cuDevicePrimaryCtxRetain",
          "cuDevicePrimaryCtxRelease_v2",
          "cuDevicePrimaryCtxReset_v2",
          "cuCtxSetCurrent",
          "cuMemGetInfo_v2",
          "cuMemAlloc_v2",
          "cuMemFree_v2",
          "cuMemAllocHost_v2",
          "cuMemFreeHost",
          "cuMemcpyHtoDAsync_v2",
          "cuMemcpyDtoHAsync_v2",
          "cuMemcpyDtoDAsync_v2",
          "cuMemcpy2DAsync_v2",
          "cuMemsetD8Async",
          "cuStreamCreate",
          "cuStreamDestroy_v2",
          "cuStreamSynchronize",
          "cuStreamBeginCapture_v2",
          "cuStreamEndCapture",
          "cuEventCreate",
          "cuEventDestroy_v2",
          "cuEventRecord",
          "cuEventSynchronize",
          "cuEventElapsedTime",
          "cuModuleLoadDataEx",
          "cuModuleUnload",
          "cuModuleGetFunction",
          "cuFuncGetAttribute",
          "cuFuncSetAttribute",
          "cuLaunchKernel",
          "cuGraphInstantiateWithFlags",
          "cuGraphLaunch",
          "cuGraphGetNodes",
          "cuGraphExecDestroy",
          "cuGraphDestroy",
          "cuProfilerStart",
          "cuProfilerStop");

  static final List<String> CUBLAS =
      List.of(
          "cublasCreate_v2",
          "cublasDestroy_v2",
          "cublasGetVersion_v2",
          "cublasSetStream_v2",
          "cublasSetWorkspace_v2",
          "cublasSetMathMode",
          "cublasGemmEx",
          "cublasGemmStridedBatchedEx");

  static final List<String> CURAND =
      List.of(
          "curandCreateGenerator",
          "curandDestroyGenerator",
          "curandGetVersion",
          "curandSetStream",
          "curandSetPseudoRandomGeneratorSeed",
          "curandSetGeneratorOffset",
          "curandSetGeneratorOrdering",
          "curandGenerateUniform");

  private CudaSymbols() {}
}
