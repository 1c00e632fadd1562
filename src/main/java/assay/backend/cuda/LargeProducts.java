package assay.backend.cuda;

import assay.backend.OpShapes;
import assay.model.DType;
import assay.tensor.Tensor;

/**
 * Products with many rows: the library's, directly where x and the weight share a type; in sessions
 * that say so with x in e4m3 too ({@link F8Products}); else from a panel of the weight in x's type,
 * a range of its rows at a time.
 *
 * <p>8- and 4-bit blocks have a scale for every 32 elements of the inner dimension, so no integer
 * product of whole rows can be exact: they are multiplied in 16 bits.
 */
final class LargeProducts {
  private static final DType[] PANEL_TYPES = {DType.F32, DType.F16, DType.BF16};
  private final KernelTable table;
  private final MatrixOps matrices;
  private final Blas blas;
  private final F8Products f8;
  private final CudaScratch scratch;

  LargeProducts(
      KernelTable table, MatrixOps matrices, Blas blas, F8Products f8, CudaScratch scratch) {
    this.table = table;
    this.matrices = matrices;
    this.blas = blas;
    this.f8 = f8;
    this.scratch = scratch;
  }

  /** {@link assay.backend.Backend#matmul}. */
  void multiply(Tensor x, Tensor weight, Tensor out, boolean accumulate) {
    OpShapes.matmul(x, weight, out);
    if (x.rows() == 0 || weight.rows() == 0) {
      return;
    }
    checkTypes(x, out);
    if (scratch.f8() && f8.takes(weight, out, accumulate)) {
      f8.multiply(x, weight, out);
      return;
    }
    useWorkspace();
    if (weight.type() == x.type()) {
      product(x, matrix(weight), weight.rows(), matrix(out), accumulate);
    } else {
      byPanels(x, weight, out, accumulate);
    }
  }

  /** {@link assay.backend.LibraryProbe#multiplyIntegers}. */
  void multiplyIntegers(Tensor x, Tensor weight, Tensor out) {
    x.require("x", DType.I8, x.rows(), weight.columns());
    weight.require("weight", DType.I8, weight.rows(), weight.columns());
    out.require("out", DType.I32, x.rows(), weight.rows());
    useWorkspace();
    product(x, matrix(weight), weight.rows(), matrix(out), false);
  }

  private void useWorkspace() {
    blas.workspace(
        scratch.address(CudaScratch.Part.CUBLAS, WorkspaceLayout.CUBLAS_BYTES),
        WorkspaceLayout.CUBLAS_BYTES);
  }

  private static void checkTypes(Tensor x, Tensor out) {
    boolean known = false;
    for (DType t : PANEL_TYPES) {
      known |= x.type() == t;
    }
    if (!known || (out.type() != x.type() && out.type() != DType.F32)) {
      throw new IllegalArgumentException("no product of x " + x + " into " + out);
    }
  }

  private Blas.Matrix matrix(Tensor t) {
    return new Blas.Matrix(table.address(t), t.type(), KernelTable.ld(t));
  }

  private void product(Tensor x, Blas.Matrix w, int outputs, Blas.Matrix out, boolean accumulate) {
    blas.multiply(x.rows(), outputs, x.columns(), matrix(x), w, out, accumulate, scratch.fp32());
  }

  private void byPanels(Tensor x, Tensor weight, Tensor out, boolean accumulate) {
    // Rows of a panel begin at multiples of 16 bytes, as the library's fastest kernels want them.
    int ld = Math.ceilDiv(weight.columns(), 8) * 8;
    long rowBytes = x.type().bytes(1, ld);
    long wanted = Math.clamp(rowBytes * weight.rows(), rowBytes, WorkspaceLayout.PANEL_BYTES);
    long bytes =
        Math.max(rowBytes, Math.min(wanted, scratch.available(CudaScratch.Part.PANEL, wanted)));
    CudaBuffer panel = scratch.buffer(CudaScratch.Part.PANEL, bytes);
    int atOnce = Math.toIntExact(bytes / rowBytes);
    for (int first = 0; first < weight.rows(); first += atOnce) {
      int count = Math.min(atOnce, weight.rows() - first);
      Tensor rows = Tensor.rowMajor(panel, 0, x.type(), count, ld);
      matrices.dequantize(weight, first, rows.columns(0, weight.columns()));
      Blas.Matrix part =
          new Blas.Matrix(
              table.address(out) + (long) first * out.type().blockBytes(),
              out.type(),
              KernelTable.ld(out));
      product(x, matrix(rows), count, part, accumulate);
    }
  }
}
