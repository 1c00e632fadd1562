package assay.backend.cuda.ffm;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.List;
import java.util.Optional;

/**
 * cuBLASLt's matrix product of e4m3 matrices, which JCuda does not bind. Constants and structures
 * are those of CUDA 12's and 13's {@code cublasLt.h}.
 */
public final class CublasLt {
  private static final List<String> SYMBOLS =
      List.of(
          "cublasLtCreate",
          "cublasLtDestroy",
          "cublasLtMatmulDescCreate",
          "cublasLtMatmulDescDestroy",
          "cublasLtMatmulDescSetAttribute",
          "cublasLtMatrixLayoutCreate",
          "cublasLtMatrixLayoutDestroy",
          "cublasLtMatmulPreferenceCreate",
          "cublasLtMatmulPreferenceDestroy",
          "cublasLtMatmulPreferenceSetAttribute",
          "cublasLtMatmulAlgoGetHeuristic",
          "cublasLtMatmul");

  /** Statuses that callers tell apart. */
  public static final int SUCCESS = 0;

  /** CUBLAS_STATUS_NOT_SUPPORTED. */
  public static final int NOT_SUPPORTED = 15;

  private static final int COMPUTE_32F = 68;
  private static final int R_32F = 0;
  private static final int R_8F_E4M3 = 28;
  private static final int OP_TRANSPOSED = 1;
  private static final int DESC_TRANSA = 3;
  private static final int DESC_A_SCALE_POINTER = 17;
  private static final int DESC_B_SCALE_POINTER = 18;
  private static final int PREFERENCE_MAX_WORKSPACE_BYTES = 1;

  /**
   * cublasLtMatmulHeuristicResult_t: 64 bytes of algorithm, size_t, status, float, 4 reserved ints.
   */
  private static final int HEURISTIC_BYTES = 96;

  private static final int HEURISTIC_WORKSPACE_AT = 64;

  private final MethodHandle create;
  private final MethodHandle destroy;
  private final MethodHandle descCreate;
  private final MethodHandle descDestroy;
  private final MethodHandle descSet;
  private final MethodHandle layoutCreate;
  private final MethodHandle layoutDestroy;
  private final MethodHandle preferenceCreate;
  private final MethodHandle preferenceDestroy;
  private final MethodHandle preferenceSet;
  private final MethodHandle heuristic;
  private final MethodHandle matmul;

  private CublasLt(NativeLibrary l) {
    FunctionDescriptor one = FunctionDescriptor.of(JAVA_INT, ADDRESS);
    FunctionDescriptor handle = FunctionDescriptor.of(JAVA_INT, JAVA_LONG);
    FunctionDescriptor set =
        FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG);
    create = l.require("cublasLtCreate", one);
    destroy = l.require("cublasLtDestroy", handle);
    descCreate =
        l.require(
            "cublasLtMatmulDescCreate",
            FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT));
    descDestroy = l.require("cublasLtMatmulDescDestroy", handle);
    descSet = l.require("cublasLtMatmulDescSetAttribute", set);
    layoutCreate =
        l.require(
            "cublasLtMatrixLayoutCreate",
            FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG));
    layoutDestroy = l.require("cublasLtMatrixLayoutDestroy", handle);
    preferenceCreate = l.require("cublasLtMatmulPreferenceCreate", one);
    preferenceDestroy = l.require("cublasLtMatmulPreferenceDestroy", handle);
    preferenceSet = l.require("cublasLtMatmulPreferenceSetAttribute", set);
    heuristic =
        l.require(
            "cublasLtMatmulAlgoGetHeuristic",
            FunctionDescriptor.of(
                JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
                JAVA_LONG, JAVA_INT, ADDRESS, ADDRESS));
    matmul =
        l.require(
            "cublasLtMatmul",
            FunctionDescriptor.of(
                JAVA_INT, JAVA_LONG, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
                ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG,
                JAVA_LONG));
  }

  /** Binds it; empty when it lacks a function. */
  public static Optional<CublasLt> of(NativeLibrary library) {
    return library.missing(SYMBOLS).isEmpty()
        ? Optional.of(new CublasLt(library))
        : Optional.empty();
  }

  /**
   * One product: C[n, m] = alpha · scaleA · scaleB · B[n, k] · A[m, k]ᵀ (+ C), all row-major; A and
   * B are e4m3.
   *
   * @param m rows of A, a multiple of 16
   * @param n rows of B
   * @param k columns of both, a multiple of 16
   * @param ldA bytes (elements) from row to row of A, a multiple of 16; likewise ldB
   * @param typeC cudaDataType of C: 14 for bf16, 2 for fp16, 0 for fp32
   * @param ldC elements from row to row of C
   */
  public record Shape(int m, int n, int k, int ldA, int ldB, int typeC, int ldC) {}

  /** A created handle; {@code status} other than 0 is cuBLAS' error. */
  public record Created(int status, long value) {}

  /** A new handle for the current context. */
  public Created open() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(ADDRESS);
      int status = (int) create.invokeExact(out);
      return new Created(status, out.get(JAVA_LONG, 0));
    } catch (Throwable e) {
      throw DriverCalls.unexpected(e);
    }
  }

  /** Frees a handle. */
  public int close(long handle) {
    return call(destroy, handle);
  }

  private static int call(MethodHandle function, long handle) {
    try {
      return (int) function.invokeExact(handle);
    } catch (Throwable e) {
      throw DriverCalls.unexpected(e);
    }
  }

  /**
   * A product of one shape with the algorithm that the library recommends; made once, used many
   * times.
   */
  public final class Plan implements AutoCloseable {
    private final Shape shape;
    private final Arena arena = Arena.ofConfined();
    private final MemorySegment result = arena.allocate(HEURISTIC_BYTES, 8);
    private final MemorySegment alpha = arena.allocate(java.lang.foreign.ValueLayout.JAVA_FLOAT);
    private final MemorySegment beta = arena.allocate(java.lang.foreign.ValueLayout.JAVA_FLOAT);
    private final MemorySegment pointer = arena.allocate(JAVA_LONG);
    private long desc;
    private long layoutA;
    private long layoutB;
    private long layoutC;
    private int status;

    /**
     * Asks the library for an algorithm; {@link #status} says whether it has one.
     *
     * @param workspaceBytes scratch that {@link #run} will get
     */
    public Plan(long handle, Shape shape, long workspaceBytes) {
      this.shape = shape;
      try {
        status = prepare(handle, workspaceBytes);
      } catch (Throwable e) {
        close();
        throw DriverCalls.unexpected(e);
      }
    }

    /**
     * 0, or the status of the first call that failed; {@link CublasLt#NOT_SUPPORTED} where there is
     * no algorithm.
     */
    public int status() {
      return status;
    }

    private int prepare(long handle, long workspaceBytes) throws Throwable {
      MemorySegment out = arena.allocate(JAVA_LONG);
      int s = (int) descCreate.invokeExact(out, COMPUTE_32F, R_32F);
      if (s != SUCCESS) {
        return s;
      }
      desc = out.get(JAVA_LONG, 0);
      // Column-major, as the library sees it: C[m, n] = op(A)·B with A stored [k, m], B [k, n].
      MemorySegment transposed = arena.allocateFrom(JAVA_INT, OP_TRANSPOSED);
      s = (int) descSet.invokeExact(desc, DESC_TRANSA, transposed, 4L);
      if (s == SUCCESS) {
        s = layout(out, R_8F_E4M3, shape.k, shape.m, shape.ldA);
        layoutA = out.get(JAVA_LONG, 0);
      }
      if (s == SUCCESS) {
        s = layout(out, R_8F_E4M3, shape.k, shape.n, shape.ldB);
        layoutB = out.get(JAVA_LONG, 0);
      }
      if (s == SUCCESS) {
        s = layout(out, shape.typeC, shape.m, shape.n, shape.ldC);
        layoutC = out.get(JAVA_LONG, 0);
      }
      return s == SUCCESS ? choose(handle, workspaceBytes) : s;
    }

    private int layout(MemorySegment out, int type, long rows, long columns, long ld)
        throws Throwable {
      out.set(JAVA_LONG, 0, 0);
      return (int) layoutCreate.invokeExact(out, type, rows, columns, ld);
    }

    private int choose(long handle, long workspaceBytes) throws Throwable {
      MemorySegment out = arena.allocate(JAVA_LONG);
      int s = (int) preferenceCreate.invokeExact(out);
      if (s != SUCCESS) {
        return s;
      }
      long preference = out.get(JAVA_LONG, 0);
      try {
        MemorySegment bytes = arena.allocateFrom(JAVA_LONG, workspaceBytes);
        s = (int) preferenceSet.invokeExact(preference, PREFERENCE_MAX_WORKSPACE_BYTES, bytes, 8L);
        if (s != SUCCESS) {
          return s;
        }
        MemorySegment found = arena.allocate(JAVA_INT);
        s =
            (int)
                heuristic.invokeExact(
                    handle, desc, layoutA, layoutB, layoutC, layoutC, preference, 1, result, found);
        return s == SUCCESS && found.get(JAVA_INT, 0) < 1 ? NOT_SUPPORTED : s;
      } finally {
        int _ = call(preferenceDestroy, preference);
      }
    }

    /** Scratch bytes that the chosen algorithm uses. */
    public long workspaceBytes() {
      return result.get(JAVA_LONG, HEURISTIC_WORKSPACE_AT);
    }

    /**
     * Enqueues the product; all addresses are the device's.
     *
     * @param factor alpha
     * @param scaleA address of the fp32 factor of A; likewise scaleB
     * @return cublasStatus_t
     */
    public int run(
        long handle,
        float factor,
        long a,
        long scaleA,
        long b,
        long scaleB,
        long c,
        boolean accumulate,
        long workspace,
        long workspaceBytes,
        long stream) {
      try {
        pointer.set(JAVA_LONG, 0, scaleA);
        int s = (int) descSet.invokeExact(desc, DESC_A_SCALE_POINTER, pointer, 8L);
        if (s != SUCCESS) {
          return s;
        }
        pointer.set(JAVA_LONG, 0, scaleB);
        s = (int) descSet.invokeExact(desc, DESC_B_SCALE_POINTER, pointer, 8L);
        if (s != SUCCESS) {
          return s;
        }
        alpha.set(java.lang.foreign.ValueLayout.JAVA_FLOAT, 0, factor);
        beta.set(java.lang.foreign.ValueLayout.JAVA_FLOAT, 0, accumulate ? 1f : 0f);
        return (int)
            matmul.invokeExact(
                handle,
                desc,
                alpha,
                a,
                layoutA,
                b,
                layoutB,
                beta,
                c,
                layoutC,
                c,
                layoutC,
                result,
                workspace,
                workspaceBytes,
                stream);
      } catch (Throwable e) {
        throw DriverCalls.unexpected(e);
      }
    }

    @Override
    public void close() {
      for (long layout : new long[] {layoutA, layoutB, layoutC}) {
        if (layout != 0) {
          int _ = call(layoutDestroy, layout);
        }
      }
      if (desc != 0) {
        int _ = call(descDestroy, desc);
      }
      desc = 0;
      layoutA = 0;
      layoutB = 0;
      layoutC = 0;
      if (arena.scope().isAlive()) {
        arena.close();
      }
    }
  }

  /** Whether a product of this shape meets the library's rules for e4m3. */
  public static boolean takes(Shape s) {
    return s.m % 16 == 0 && s.k % 16 == 0 && s.ldA % 16 == 0 && s.ldB % 16 == 0 && s.n > 0;
  }

  /** Bytes of one e4m3 element. */
  public static final long ELEMENT_BYTES = JAVA_BYTE.byteSize();
}
