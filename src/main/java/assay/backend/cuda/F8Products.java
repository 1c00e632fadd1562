package assay.backend.cuda;

import assay.backend.DeviceException;
import assay.backend.cuda.ffm.CublasLt;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Products of e4m3 matrices with many rows by cuBLASLt. Activations are rounded to e4m3 with a
 * power of two for each row ({@link RowOps#roundF8}), the library multiplies with factors of one
 * and the weight's own as alpha, sums in fp32 (its fast accumulation stays off), and each row of
 * the result gets its factor back ({@link RowOps#scaleRows}, exact).
 *
 * <p>Whether a model's layers are multiplied so is decided before it runs, by {@link
 * #takes(ModelConfig)}: a card of compute capability 8.9 or more whose library has the product, and
 * widths that are multiples of 16. A head whose vocabulary is none stays with 16-bit products.
 */
final class F8Products implements AutoCloseable {
  /** Ada's and Hopper's tensor cores were the first to take e4m3. */
  static final int OLDEST_SM = 89;

  /** Inputs, outputs and the stride of a row: whole pieces of 16 bytes. */
  private static final int MULTIPLE = 16;

  /** Rows of the products that the library is asked about beforehand. */
  private static final int ASKED_ROWS = 512;

  private static final int ASKED_WIDTH = 256;

  private final CudaContext context;
  private final CudaMemory memory;
  private final CudaScratch scratch;
  private final RowOps rows;
  private final @Nullable CublasLt library;
  private final Map<CublasLt.Shape, CublasLt.Plan> plans = new HashMap<>();
  private final Map<ModelConfig, Boolean> models = new HashMap<>();
  private final @Nullable String refusal;
  private long handle;
  private long one;

  /** Opens the library where the card may have the product, and asks for it once. */
  F8Products(
      CudaContext context,
      CudaMemory memory,
      CudaScratch scratch,
      HostStaging staging,
      RowOps rows) {
    this.context = context;
    this.memory = memory;
    this.scratch = scratch;
    this.rows = rows;
    int sm = context.properties().sm();
    this.library = sm >= OLDEST_SM ? context.libraries().cublasLt().orElse(null) : null;
    if (library == null) {
      refusal = sm < OLDEST_SM ? "needs compute capability 8.9" : "cuBLASLt was not found";
      return;
    }
    try {
      open(library, staging);
      refusal =
          has(ASKED_ROWS, ASKED_WIDTH, ASKED_WIDTH) ? null : "this cuBLASLt has none for this card";
    } catch (Throwable t) {
      close();
      throw t;
    }
  }

  private void open(CublasLt lt, HostStaging staging) {
    CublasLt.Created created = lt.open();
    check(created.status(), "cublasLtCreate");
    handle = created.value();
    one = memory.newScratch(256);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment factor = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1f);
      staging.write(one, 4, factor, 4, 1);
    }
  }

  private void check(int status, String operation) {
    try {
      CudaStatus.checkBlas(status, operation);
    } catch (DeviceException e) {
      throw context.isCapturing() ? e : context.failedLibrary(e);
    }
  }

  /** Why this device makes no products of e4m3 matrices; null where it does. */
  @Nullable String refusal() {
    return refusal;
  }

  /** Whether the products of many rows in all layers of such a model are made here. */
  boolean takes(ModelConfig c) {
    return refusal == null && models.computeIfAbsent(c, this::hasLayers);
  }

  private boolean hasLayers(ModelConfig c) {
    int up = (c.gatedMlp() ? 2 : 1) * c.intermediateSize();
    return takes(c.qDim(), c.hiddenSize())
        && takes(c.kvDim(), c.hiddenSize())
        && takes(c.hiddenSize(), c.intermediateSize())
        && hasForAnyRows(c.qDim() + 2 * c.kvDim(), c.hiddenSize())
        && hasForAnyRows(c.hiddenSize(), c.qDim())
        && hasForAnyRows(up, c.hiddenSize())
        && hasForAnyRows(c.hiddenSize(), c.intermediateSize());
  }

  /** As far as the fewest rows and a usual number of them can tell. */
  private boolean hasForAnyRows(int m, int k) {
    return has(MatrixOps.MAX_GEMV_ROWS + 1, m, k) && has(ASKED_ROWS, m, k);
  }

  /** The library's rule for a weight matrix. */
  static boolean takes(int outputs, int inputs) {
    return outputs % MULTIPLE == 0 && inputs % MULTIPLE == 0;
  }

  /** Whether the library has the product of such matrices in memory of ours. */
  private boolean has(int n, int m, int k) {
    CublasLt.Shape shape = new CublasLt.Shape(m, n, k, k, k, Blas.code(DType.BF16), m);
    CublasLt.Plan plan = plan(shape);
    if (plan.status() == CublasLt.NOT_SUPPORTED) {
      return false;
    }
    check(plan.status(), "cublasLtMatmulAlgoGetHeuristic " + words(shape));
    return true;
  }

  private CublasLt.Plan plan(CublasLt.Shape shape) {
    CublasLt lt = java.util.Objects.requireNonNull(library);
    return plans.computeIfAbsent(shape, s -> lt.new Plan(handle, s, WorkspaceLayout.CUBLAS_BYTES));
  }

  private static String words(CublasLt.Shape s) {
    return "of F8E4M3 [%d, %d] with [%d, %d]".formatted(s.n(), s.k(), s.m(), s.k());
  }

  /**
   * Whether {@link #multiply} makes this product, in a session that is to have such products. By
   * shapes alone, not by how many rows there are.
   */
  boolean takes(Tensor weight, Tensor out, boolean accumulate) {
    return refusal == null
        && !accumulate
        && weight.type() == DType.F8E4M3
        && takes(weight.rows(), weight.columns())
        // The result before its factors would not fit fp16's range.
        && (out.type() == DType.BF16 || out.type() == DType.F32)
        && out.rowStrideBytes() % MULTIPLE == 0
        && memory.address(out) % MULTIPLE == 0;
  }

  /** {@link assay.backend.Backend#matmul} of activations with an e4m3 matrix. */
  void multiply(Tensor x, Tensor weight, Tensor out) {
    long rounded = WorkspaceLayout.f8Bytes(x.rows(), x.columns());
    CudaBuffer buffer =
        scratch.buffer(
            CudaScratch.Part.PANEL, rounded + WorkspaceLayout.f8Bytes(x.rows(), Float.BYTES));
    Tensor codes = Tensor.rowMajor(buffer, 0, DType.F8E4M3, x.rows(), x.columns());
    Tensor factors = Tensor.rowMajor(buffer, rounded, DType.F32, 1, x.rows());
    rows.roundF8(x, codes, factors);
    CublasLt.Shape shape = shape(codes, weight, out);
    CublasLt.Plan plan = plan(shape);
    check(plan.status(), "cublasLtMatmulAlgoGetHeuristic " + words(shape));
    run(plan, shape, codes, weight, out);
    rows.scaleRows(out, factors);
  }

  /** {@link assay.backend.LibraryProbe#multiplyF8}. */
  boolean multiplyCodes(Tensor x, Tensor weight, Tensor out) {
    x.require("x", DType.F8E4M3, x.rows(), weight.columns());
    weight.require("weight", DType.F8E4M3, weight.rows(), weight.columns());
    out.require("out", DType.BF16, x.rows(), weight.rows());
    CublasLt.Shape shape = shape(x, weight, out);
    if (refusal != null || !CublasLt.takes(shape)) {
      return false;
    }
    CublasLt.Plan plan = plan(shape);
    if (plan.status() == CublasLt.NOT_SUPPORTED) {
      return false;
    }
    check(plan.status(), "cublasLtMatmulAlgoGetHeuristic " + words(shape));
    run(plan, shape, x, weight, out);
    return true;
  }

  private static CublasLt.Shape shape(Tensor x, Tensor weight, Tensor out) {
    return new CublasLt.Shape(
        weight.rows(),
        x.rows(),
        x.columns(),
        KernelTable.ld(weight),
        KernelTable.ld(x),
        Blas.code(out.type()),
        KernelTable.ld(out));
  }

  private void run(CublasLt.Plan plan, CublasLt.Shape shape, Tensor x, Tensor weight, Tensor out) {
    context.enter();
    context.enqueuing("in cublasLtMatmul");
    int status =
        plan.run(
            handle,
            weight.scale() * x.scale(),
            memory.address(weight),
            one,
            memory.address(x),
            one,
            memory.address(out),
            false,
            scratch.address(CudaScratch.Part.CUBLAS, WorkspaceLayout.CUBLAS_BYTES),
            WorkspaceLayout.CUBLAS_BYTES,
            context.streamAddress());
    check(status, "cublasLtMatmul " + words(shape));
  }

  @Override
  public void close() {
    plans.values().forEach(CublasLt.Plan::close);
    plans.clear();
    if (handle != 0 && !context.isLost()) {
      int _ = java.util.Objects.requireNonNull(library).close(handle);
    }
    handle = 0;
  }
}
