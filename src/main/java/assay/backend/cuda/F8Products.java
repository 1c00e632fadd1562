package assay.backend.cuda;

import assay.backend.cuda.ffm.CublasLt;
import assay.model.DType;
import assay.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Products of e4m3 matrices by cuBLASLt, with factors of one. One plan per shape is made and kept.
 * Models do not run on it: their activations are 16 bits wide, and no kernel here rounds them to
 * e4m3 yet; it is what an fp8 product could reach.
 */
final class F8Products implements AutoCloseable {
  private final CudaContext context;
  private final CudaMemory memory;
  private final CudaScratch scratch;
  private final HostStaging staging;
  private final Optional<CublasLt> library;
  private final Map<CublasLt.Shape, CublasLt.Plan> plans = new HashMap<>();
  private long handle;
  private long one;

  F8Products(CudaContext context, CudaMemory memory, CudaScratch scratch, HostStaging staging) {
    this.context = context;
    this.memory = memory;
    this.scratch = scratch;
    this.staging = staging;
    this.library = context.libraries().cublasLt();
  }

  /** {@link assay.backend.LibraryProbe#multiplyF8}. */
  boolean multiply(Tensor x, Tensor weight, Tensor out) {
    x.require("x", DType.F8E4M3, x.rows(), weight.columns());
    weight.require("weight", DType.F8E4M3, weight.rows(), weight.columns());
    out.require("out", DType.BF16, x.rows(), weight.rows());
    CublasLt.Shape shape =
        new CublasLt.Shape(
            weight.rows(),
            x.rows(),
            x.columns(),
            KernelTable.ld(weight),
            KernelTable.ld(x),
            Blas.code(DType.BF16),
            KernelTable.ld(out));
    if (library.isEmpty() || !CublasLt.takes(shape)) {
      return false;
    }
    context.enter();
    open(library.get());
    CublasLt.Plan plan =
        plans.computeIfAbsent(
            shape, s -> library.get().new Plan(handle, s, WorkspaceLayout.CUBLAS_BYTES));
    if (plan.status() == CublasLt.NOT_SUPPORTED) {
      return false;
    }
    String what =
        "of F8E4M3 [%d, %d] with [%d, %d]".formatted(shape.n(), shape.k(), shape.m(), shape.k());
    CudaStatus.checkBlas(plan.status(), "cublasLtMatmulAlgoGetHeuristic " + what);
    context.enqueuing("in cublasLtMatmul");
    int status =
        plan.run(
            handle,
            memory.address(weight),
            one,
            memory.address(x),
            one,
            memory.address(out),
            false,
            scratch.address(CudaScratch.Part.CUBLAS, WorkspaceLayout.CUBLAS_BYTES),
            WorkspaceLayout.CUBLAS_BYTES,
            context.streamAddress());
    CudaStatus.checkBlas(status, "cublasLtMatmul " + what);
    return true;
  }

  private void open(CublasLt lt) {
    if (handle != 0) {
      return;
    }
    CublasLt.Created created = lt.open();
    CudaStatus.checkBlas(created.status(), "cublasLtCreate");
    handle = created.value();
    one = memory.newScratch(256);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment factor = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1f);
      staging.write(one, 4, factor, 4, 1);
    }
  }

  @Override
  public void close() {
    plans.values().forEach(CublasLt.Plan::close);
    plans.clear();
    if (handle != 0 && !context.isLost()) {
      int _ = library.orElseThrow().close(handle);
    }
    handle = 0;
  }
}
