package assay.backend.cuda;

import assay.backend.DeviceException;
import assay.backend.cuda.Handles.DevicePointer;
import assay.backend.cuda.Handles.HostPointer;
import assay.model.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import jcuda.cudaDataType;
import jcuda.jcublas.JCublas2;
import jcuda.jcublas.cublasComputeType;
import jcuda.jcublas.cublasGemmAlgo;
import jcuda.jcublas.cublasHandle;
import jcuda.jcublas.cublasOperation;
import jcuda.jcublas.cublasStatus;
import jcuda.runtime.cudaStream_t;

/**
 * cuBLAS on the context's stream with scratch memory of ours. It sees matrices in columns: a
 * row-major [r, c] is its [c, r], so C = B·Aᵀ in rows is Cᵀ = A·Bᵀ in columns, with A transposed.
 *
 * <p>Every status is checked: it can report a refusal without an exception.
 */
final class Blas implements AutoCloseable {
  /**
   * CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION: sums of 16-bit products stay in fp32 also
   * where the library splits the inner dimension.
   */
  private static final int FP32_REDUCTION = 16;

  /** How products of fp32 matrices are made. */
  enum Fp32 {
    /** Exact products on CUDA cores. */
    TRUE,
    /** Operands rounded to 10 fraction bits, on tensor cores. */
    TF32
  }

  /**
   * A row-major matrix in device memory.
   *
   * @param address of its first element
   * @param type F32, F16, BF16, I8 or I32
   * @param ld elements from row to row
   */
  record Matrix(long address, DType type, int ld) {}

  private final CudaContext context;
  private final cublasHandle handle = new cublasHandle();
  private final Arena scalars = Arena.ofConfined();
  private final HostPointer one;
  private final HostPointer zero;
  private final HostPointer intOne;
  private final HostPointer factor;
  private final java.lang.foreign.MemorySegment factorValue;
  private final String version;
  private long workspaceAddress;
  private long workspaceBytes;

  /** Opens the library in the current context. */
  Blas(CudaContext context) {
    this.context = context;
    one = new HostPointer(scalars.allocateFrom(ValueLayout.JAVA_FLOAT, 1f).address());
    // Also integer zero.
    zero = new HostPointer(scalars.allocateFrom(ValueLayout.JAVA_FLOAT, 0f).address());
    intOne = new HostPointer(scalars.allocateFrom(ValueLayout.JAVA_INT, 1).address());
    factorValue = scalars.allocate(ValueLayout.JAVA_FLOAT);
    factor = new HostPointer(factorValue.address());
    try {
      check(JCublas2.cublasCreate(handle), "cublasCreate");
    } catch (Throwable t) {
      scalars.close();
      throw t;
    }
    try {
      check(
          JCublas2.cublasSetStream(handle, new cudaStream_t(context.stream())), "cublasSetStream");
      check(JCublas2.cublasSetMathMode(handle, FP32_REDUCTION), "cublasSetMathMode");
      int[] v = new int[1];
      check(JCublas2.cublasGetVersion(handle, v), "cublasGetVersion");
      // 120601 is 12.6.1, 130000 is 13.0.0; before 12.4 the last part has two digits as well.
      version = v[0] / 10_000 + "." + v[0] / 100 % 100 + "." + v[0] % 100;
    } catch (Throwable t) {
      close();
      throw t;
    }
  }

  /** The library's version. */
  String version() {
    return version;
  }

  private void check(int status, String operation) {
    if (status == cublasStatus.CUBLAS_STATUS_SUCCESS) {
      return;
    }
    try {
      CudaStatus.checkBlas(status, operation);
    } catch (DeviceException e) {
      throw context.isCapturing() ? e : context.failedLibrary(e);
    }
  }

  /** Sets the scratch memory of all later products. */
  void workspace(long address, long bytes) {
    if (address != workspaceAddress || bytes != workspaceBytes) {
      check(
          JCublas2.cublasSetWorkspace(handle, new DevicePointer(address), bytes),
          "cublasSetWorkspace");
      workspaceAddress = address;
      workspaceBytes = bytes;
    }
  }

  /** Bytes of scratch that products may use now. */
  long workspaceBytes() {
    return workspaceBytes;
  }

  /** Address of that scratch. */
  long workspaceAddress() {
    return workspaceAddress;
  }

  /**
   * out[n, m] = x[n, k] · w[m, k]ᵀ (+ out).
   *
   * @param fp32 for fp32 operands; both 16-bit types accumulate in fp32, int8 in int32
   */
  void multiply(
      int n, int m, int k, Matrix x, Matrix w, Matrix out, boolean accumulate, Fp32 fp32) {
    context.enter();
    boolean integer = w.type == DType.I8;
    check(
        JCublas2.cublasGemmEx_new(
            handle,
            cublasOperation.CUBLAS_OP_T,
            cublasOperation.CUBLAS_OP_N,
            m,
            n,
            k,
            integer ? intOne : one,
            new DevicePointer(w.address),
            code(w.type),
            w.ld,
            new DevicePointer(x.address),
            code(x.type),
            x.ld,
            accumulate ? (integer ? intOne : one) : zero,
            new DevicePointer(out.address),
            code(out.type),
            out.ld,
            compute(w.type, fp32),
            cublasGemmAlgo.CUBLAS_GEMM_DEFAULT),
        "cublasGemmEx of %s [%d, %d] with %s [%d, %d]".formatted(x.type, n, k, w.type, m, k));
  }

  /** Elements from one matrix to the next of a batch; 0 repeats the same one. */
  record Strides(long x, long w, long out) {}

  /** {@code count} products out = alpha · x · wᵀ. */
  void multiplyBatch(
      int n,
      int m,
      int k,
      Matrix x,
      Matrix w,
      Matrix out,
      Strides s,
      int count,
      float alpha,
      Fp32 fp32) {
    batch(cublasOperation.CUBLAS_OP_T, n, m, k, x, w, out, s, count, alpha, fp32);
  }

  /** {@code count} products out[n, m] = x[n, k] · w[k, m]. */
  void multiplyBatchPlain(
      int n, int m, int k, Matrix x, Matrix w, Matrix out, Strides s, int count, Fp32 fp32) {
    batch(cublasOperation.CUBLAS_OP_N, n, m, k, x, w, out, s, count, 1, fp32);
  }

  private void batch(
      int operation,
      int n,
      int m,
      int k,
      Matrix x,
      Matrix w,
      Matrix out,
      Strides s,
      int count,
      float alpha,
      Fp32 fp32) {
    context.enter();
    factorValue.set(ValueLayout.JAVA_FLOAT, 0, alpha);
    check(
        JCublas2.cublasGemmStridedBatchedEx_new(
            handle,
            operation,
            cublasOperation.CUBLAS_OP_N,
            m,
            n,
            k,
            factor,
            new DevicePointer(w.address),
            code(w.type),
            w.ld,
            s.w,
            new DevicePointer(x.address),
            code(x.type),
            x.ld,
            s.x,
            zero,
            new DevicePointer(out.address),
            code(out.type),
            out.ld,
            s.out,
            count,
            compute(w.type, fp32),
            cublasGemmAlgo.CUBLAS_GEMM_DEFAULT),
        "cublasGemmStridedBatchedEx of %d products %s [%d, %d] with %s [%d, %d]"
            .formatted(count, x.type, n, k, w.type, m, k));
  }

  private static int compute(DType type, Fp32 fp32) {
    return switch (type) {
      case F32 ->
          fp32 == Fp32.TF32
              ? cublasComputeType.CUBLAS_COMPUTE_32F_FAST_TF32
              : cublasComputeType.CUBLAS_COMPUTE_32F;
      case I8 -> cublasComputeType.CUBLAS_COMPUTE_32I;
      default -> cublasComputeType.CUBLAS_COMPUTE_32F;
    };
  }

  /** cudaDataType of a storage type. */
  static int code(DType type) {
    return switch (type) {
      case F32 -> cudaDataType.CUDA_R_32F;
      case F16 -> cudaDataType.CUDA_R_16F;
      case BF16 -> cudaDataType.CUDA_R_16BF;
      case I8 -> cudaDataType.CUDA_R_8I;
      case I32 -> cudaDataType.CUDA_R_32I;
      default -> throw new IllegalArgumentException("cuBLAS has no matrices of " + type);
    };
  }

  @Override
  public void close() {
    if (scalars.scope().isAlive()) {
      if (!context.isLost()) {
        int _ = JCublas2.cublasDestroy(handle);
      }
      scalars.close();
    }
  }
}
