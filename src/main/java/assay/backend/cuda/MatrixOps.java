package assay.backend.cuda;

import assay.backend.OpShapes;
import assay.model.Activation;
import assay.model.DType;
import assay.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Weight matrices: products with few rows (a decode step), and everything between storage types.
 * Products with many rows are the library's, after {@link #dequantize} where the type needs it.
 */
final class MatrixOps {
  /** Rows of x that one launch takes. */
  static final int MAX_GEMV_ROWS = 8;

  /** Which units multiply; {@link #AUTO} is {@link #onTensorCores}'s rule. */
  enum GemvPath {
    AUTO,
    CUDA_CORES,
    TENSOR_CORES
  }

  private static final int WARPS = 8;

  /** A warp on CUDA cores takes two rows of the matrix (or a gate row and its up row). */
  private static final int ROWS_PER_WARP = 2;

  /** A block on tensor cores takes 16 rows of the matrix (or 8 gate rows and 8 up rows). */
  private static final int MMA_ROWS = 16;

  /** Bytes of a row below which splitting it over one more warp does not pay. */
  private static final int MIN_BYTES_PER_WARP = 1024;

  /** Warps that a multiprocessor needs to keep enough loads in flight. */
  private static final int WARPS_PER_SM = 16;

  private final KernelTable t;
  private final int smCount;
  private final boolean tensorCores;
  private GemvPath path = GemvPath.AUTO;

  /**
   * For a device.
   *
   * @param smCount its multiprocessors
   * @param tensorCores compute capability 8.0 or more
   */
  MatrixOps(KernelTable table, int smCount, boolean tensorCores) {
    this.t = table;
    this.smCount = smCount;
    this.tensorCores = tensorCores;
  }

  /** Sets the path of later products, for comparisons. */
  void gemvPath(GemvPath path) {
    this.path = path;
  }

  /** Whether {@link #gemv} computes such a product. */
  boolean takes(Tensor x, Tensor weight) {
    return x.rows() <= MAX_GEMV_ROWS && KernelTable.isWeight(weight.type());
  }

  /**
   * out = x·weightᵀ (+ bias) (+ out).
   *
   * @param x [n, in], n ≤ {@link #MAX_GEMV_ROWS}, rows may be strided
   * @param bias F32 [1, out] or null
   * @param out [n, out] of x's type or F32
   */
  void gemv(Tensor x, Tensor weight, @Nullable Tensor bias, boolean accumulate, Tensor out) {
    OpShapes.matmul(x, weight, out);
    if (bias != null) {
      bias.require("bias", DType.F32, 1, weight.rows());
    }
    if (out.type() != x.type() && out.type() != DType.F32) {
      throw new IllegalArgumentException("out is " + out + ": expected " + x.type() + " or F32");
    }
    checkRows(x);
    KernelArgs args =
        t.args()
            .ptr(t.address(out))
            .i32(KernelTable.ld(out))
            .flag(out.type() == DType.F32)
            .ptr(t.address(x))
            .i32(KernelTable.ld(x))
            .ptr(t.address(weight))
            .ptr(t.scales(weight))
            .f32(weight.scale())
            .ptr(t.addressOrNone(bias))
            .flag(accumulate)
            .i32(x.rows())
            .i32(weight.rows())
            .i32(weight.columns());
    if (onTensorCores(x, weight)) {
      t.launch(Kernel.GEMV_MMA, mmaVariant(weight, x), Math.ceilDiv(weight.rows(), MMA_ROWS), 1, 1);
    } else {
      launchOnCores(Kernel.GEMV, x, weight, args, Math.ceilDiv(weight.rows(), ROWS_PER_WARP));
    }
  }

  /**
   * out = act(x·gateᵀ + bias) ⊙ (x·upᵀ + bias), the MLP's two products and its activation in one.
   *
   * @param weight [gate; up], 2·width rows
   * @param bias F32 [1, 2·width] or null
   * @param out [n, width] of x's type
   */
  void gemvGlu(Tensor x, Tensor weight, @Nullable Tensor bias, Activation activation, Tensor out) {
    int width = out.columns();
    if (weight.rows() != 2 * width || x.columns() != weight.columns() || out.type() != x.type()) {
      throw new IllegalArgumentException(
          "gate and up %s of x %s into out %s".formatted(weight, x, out));
    }
    if (bias != null) {
      bias.require("bias", DType.F32, 1, weight.rows());
    }
    checkRows(x);
    KernelArgs args =
        t.args()
            .ptr(t.address(out))
            .i32(KernelTable.ld(out))
            .ptr(t.address(x))
            .i32(KernelTable.ld(x))
            .ptr(t.address(weight))
            .ptr(t.scales(weight))
            .f32(weight.scale())
            .ptr(t.addressOrNone(bias))
            .i32(KernelTable.code(activation))
            .i32(x.rows())
            .i32(width)
            .i32(weight.columns());
    if (onTensorCores(x, weight)) {
      t.launch(Kernel.GEMV_MMA_GLU, mmaVariant(weight, x), Math.ceilDiv(width, MMA_ROWS / 2), 1, 1);
    } else {
      launchOnCores(Kernel.GEMV_GLU, x, weight, args, width);
    }
  }

  private static void checkRows(Tensor x) {
    if (x.rows() > MAX_GEMV_ROWS) {
      throw new IllegalArgumentException(x + ": expected at most " + MAX_GEMV_ROWS + " rows");
    }
  }

  private void launchOnCores(Kernel kernel, Tensor x, Tensor weight, KernelArgs args, int pairs) {
    int warpsPerRow = warpsPerRow(pairs, weight.type().rowBytes(weight.columns()));
    args.i32(warpsPerRow);
    int n = x.rows() == 1 ? 0 : 1;
    int variant =
        (3 * KernelTable.weight(weight.type()) + KernelTable.activation(x.type())) * 2 + n;
    t.launch(kernel, variant, Math.ceilDiv((long) pairs * warpsPerRow, WARPS), 1, 1);
  }

  /** 1, 2, 4 or 8: enough warps to fill the device, as long as each has a worthwhile piece. */
  private int warpsPerRow(int pairs, long rowBytes) {
    int warps = 1;
    while (warps < WARPS
        && (long) pairs * warps < (long) smCount * WARPS_PER_SM
        && rowBytes / (2L * warps) >= MIN_BYTES_PER_WARP) {
      warps *= 2;
    }
    return warps;
  }

  /**
   * The rule of {@link GemvPath#AUTO}, from counting instructions and L1 traffic, not yet measured:
   * tensor cores from two rows on, and for 8- and 4-bit weights always (their unpacking would
   * otherwise take the most of the issue slots); one row of 16-bit weights on CUDA cores.
   */
  boolean onTensorCores(Tensor x, Tensor weight) {
    if (path == GemvPath.CUDA_CORES || !tensorCores || !mmaCan(x, weight)) {
      return false;
    }
    boolean sixteenBit = weight.type() == DType.F16 || weight.type() == DType.BF16;
    return path == GemvPath.TENSOR_CORES || x.rows() >= 2 || !sixteenBit;
  }

  /** Whole chunks of 64 bytes in every row, x aligned, and a kernel for the pair of types. */
  private boolean mmaCan(Tensor x, Tensor weight) {
    boolean types =
        switch (weight.type()) {
          case F16, BF16 -> x.type() == weight.type();
          case F8E4M3 -> x.type() == DType.F16 || x.type() == DType.BF16;
          case Q8_0, Q4_0 -> x.type() == DType.F16;
          default -> false;
        };
    int chunk =
        switch (weight.type()) {
          case Q4_0 -> 128;
          case Q8_0, F8E4M3 -> 64;
          default -> 32;
        };
    return types
        && weight.columns() % chunk == 0
        && t.address(x) % 16 == 0
        && (x.rows() == 1 || x.rowStrideBytes() % 16 == 0)
        && t.address(weight) % 16 == 0;
  }

  private static int mmaVariant(Tensor weight, Tensor x) {
    return switch (weight.type()) {
      case F16 -> 0;
      case BF16 -> 1;
      case F8E4M3 -> x.type() == DType.F16 ? 2 : 3;
      case Q8_0 -> 4;
      case Q4_0 -> 5;
      default -> throw new IllegalArgumentException("no tensor-core product of " + weight);
    };
  }

  // ---- storage types

  /** out[r] = weight[firstRow + r] as plain numbers, scale included. */
  void dequantize(Tensor weight, int firstRow, Tensor out) {
    checkRange(weight, firstRow, out);
    t.args()
        .ptr(t.address(out))
        .i32(KernelTable.ld(out))
        .ptr(t.address(weight))
        .ptr(t.scales(weight))
        .f32(weight.scale())
        .i32(firstRow)
        .i32(out.rows())
        .i32(out.columns());
    int variant = 3 * KernelTable.weight(weight.type()) + KernelTable.activation(out.type());
    launchUnits(Kernel.DEQUANTIZE, variant, out.rows(), out.columns());
  }

  /** weight[firstRow + r] = x[r] / weight.scale(), rounded as {@code BlockFormat} does. */
  void quantize(Tensor x, Tensor weight, int firstRow) {
    checkRange(weight, firstRow, x);
    if (x.type() != DType.F32) {
      throw new IllegalArgumentException("x is " + x + ": expected F32");
    }
    t.args()
        .ptr(t.address(weight))
        .ptr(t.scales(weight))
        .f32(weight.scale())
        .i32(firstRow)
        .ptr(t.address(x))
        .i32(KernelTable.ld(x))
        .i32(x.rows())
        .i32(x.columns());
    launchUnits(Kernel.QUANTIZE, KernelTable.weight(weight.type()), x.rows(), x.columns());
  }

  /**
   * Rows [firstRow, firstRow + rows) of weight from {@code assay.checkpoint.RandomWeights}: the
   * same bits as on the host.
   *
   * @param key {@code RandomWeights.key}
   * @param firstElement index in the generated tensor of the first of these rows' elements
   * @param factor {@code RandomWeights.scale}
   * @param offset {@code RandomWeights.offset}
   */
  void random(
      Tensor weight,
      int firstRow,
      int rows,
      long key,
      long firstElement,
      float factor,
      float offset) {
    t.args()
        .ptr(t.address(weight))
        .ptr(t.scales(weight))
        .f32(weight.scale())
        .i32(firstRow)
        .i64(key)
        .i64(firstElement)
        .f32(factor)
        .f32(offset)
        .i32(rows)
        .i32(weight.columns());
    launchUnits(Kernel.RANDOM, KernelTable.weight(weight.type()), rows, weight.columns());
  }

  /**
   * weight[firstRow + r][c] = width · (u[r][c] − 1/2) + offset, each operation rounded to fp32.
   *
   * @param uniforms device address of F32 [rows, columns], dense
   */
  void randomUniform(
      Tensor weight, int firstRow, int rows, long uniforms, float width, float offset) {
    t.args()
        .ptr(t.address(weight))
        .ptr(t.scales(weight))
        .f32(weight.scale())
        .i32(firstRow)
        .ptr(uniforms)
        .f32(width)
        .f32(offset)
        .i32(rows)
        .i32(weight.columns());
    launchUnits(Kernel.RANDOM_UNIFORM, KernelTable.weight(weight.type()), rows, weight.columns());
  }

  /**
   * result = max(result, largest magnitude of so many generated elements); result is F32 [1, 1].
   */
  void randomAbsmax(
      Tensor result, long key, long firstElement, float factor, float offset, long count) {
    result.require("result", DType.F32, 1, 1);
    t.args().ptr(t.address(result)).i64(key).i64(firstElement).f32(factor).f32(offset).i64(count);
    t.launch(Kernel.RANDOM_ABSMAX, 0, reductionBlocks(count), 1, 1);
  }

  /** result = max(result, largest magnitude of x); result is F32 [1, 1], x dense F32. */
  void absmax(Tensor result, Tensor x) {
    result.require("result", DType.F32, 1, 1);
    if (x.type() != DType.F32 || !x.isDense()) {
      throw new IllegalArgumentException("x is " + x + ": expected F32 without gaps");
    }
    long count = (long) x.rows() * x.columns();
    t.args().ptr(t.address(result)).ptr(t.address(x)).i64(count);
    t.launch(Kernel.ABSMAX, 0, reductionBlocks(count), 1, 1);
  }

  private long reductionBlocks(long count) {
    return Math.clamp(Math.ceilDiv(count, 2048), 1, 8L * smCount);
  }

  /** Stored blocks, row-major at a device address, into rows of a packed matrix. */
  void pack(long stored, Tensor weight, int firstRow, int rows) {
    int blocks = PackedLayout.blocksPerRow(weight.columns());
    t.args()
        .ptr(t.address(weight))
        .ptr(t.scales(weight))
        .ptr(stored)
        .i32(firstRow)
        .i32(rows)
        .i32(blocks);
    packing(Kernel.PACK, weight.type(), (long) rows * blocks);
  }

  /** Rows of a packed matrix as stored blocks, row-major, to a device address. */
  void unpack(Tensor weight, int firstRow, int rows, long stored) {
    int blocks = PackedLayout.blocksPerRow(weight.columns());
    t.args()
        .ptr(stored)
        .ptr(t.address(weight))
        .ptr(t.scales(weight))
        .i32(firstRow)
        .i32(rows)
        .i32(blocks);
    packing(Kernel.UNPACK, weight.type(), (long) rows * blocks);
  }

  /** A thread a block of 32 elements. */
  private void packing(Kernel kernel, DType type, long blocks) {
    t.launch(kernel, type == DType.Q8_0 ? 0 : 1, Math.ceilDiv(blocks, 256), 1, 1);
  }

  /** A thread 8 elements of a row; blocked types share scales within a quad of threads. */
  private void launchUnits(Kernel kernel, int variant, int rows, int columns) {
    int padded = Math.ceilDiv(columns, 32) * 32;
    t.launch(
        kernel, variant, Math.ceilDiv(padded, 2048), Math.min(rows, KernelTable.MAX_GRID_Y), 1);
  }

  private static void checkRange(Tensor weight, int firstRow, Tensor rows) {
    if (firstRow < 0
        || firstRow > weight.rows() - rows.rows()
        || rows.columns() != weight.columns()) {
      throw new IllegalArgumentException(
          "rows from %d on of %s against %s".formatted(firstRow, weight, rows));
    }
  }
}
