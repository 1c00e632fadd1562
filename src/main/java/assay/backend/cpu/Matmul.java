package assay.backend.cpu;

import assay.backend.cpu.kernel.Kernels;
import assay.backend.cpu.kernel.PanelLayout;
import assay.backend.cpu.kernel.RawMemory;
import assay.model.BlockFormat;
import assay.model.DType;
import assay.tensor.HostBuffer;
import assay.tensor.Tensor;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * out = x · Wᵀ (+ out). Many rows of x: they are packed in blocks of columns once, then threads
 * take groups of panels of W and multiply each with all rows, a block of columns at a time, so that
 * block stays in the L2 cache. One row of x: see {@link VectorProduct}.
 *
 * <p>Two kinds of panels do not lie in memory as the kernels want them, and are made in scratch
 * memory first, their results copied from there: the last panel of a matrix whose rows are no
 * multiple of 16, and every panel of a matrix that is not packed (types that the kernels do not
 * know), decoded to fp32.
 */
final class Matmul {
  private static final int ROWS = PanelLayout.ROWS;
  private static final List<DType> KERNEL_TYPES =
      List.of(DType.F32, DType.F16, DType.BF16, DType.Q8_0, DType.Q4_0);

  /** Panels that a thread takes at once with many rows of x. */
  private static final int PANELS_PER_CHUNK = 8;

  /** Panels, made by decoding, that a thread takes at once with one row of x. */
  private static final int DECODED_PANELS = 4;

  private final Kernels kernels;
  private final Workers workers;
  private final Workers.Task packing = this::packRow;
  private final Workers.Task panels = this::multiplyPanels;
  private final Workers.Task decodedPanels = this::multiplyDecoded;
  private final VectorProduct vector;

  private long packed;
  private long scratch;
  private long scratchBytes;
  private long kernelBytes;
  private int reservedRows;
  private int reservedColumns;
  private float[][] decoded = new float[0][];

  // The product at hand.
  private @Nullable Tensor unpacked;
  private DType type = DType.F32;
  private long weight;
  private long x;
  private long xRowBytes;
  private int rows;
  private int outputs;
  private int columns;
  private long out;
  private long outRowBytes;
  private boolean accumulate;
  private int panelsPerChunk;

  Matmul(Kernels kernels, Workers workers, WorkerResults results) {
    this.kernels = kernels;
    this.workers = workers;
    vector = new VectorProduct(kernels, workers, results);
  }

  /**
   * Scratch bytes for products of up to {@code rows} rows of up to {@code columns} columns,
   * whatever the weights' type.
   */
  static long scratchBytes(Kernels kernels, int rows, int columns, int workers) {
    return packedBytes(kernels, rows, columns) + workers * workerBytes(kernels, columns);
  }

  private static long packedBytes(Kernels kernels, int rows, int columns) {
    long most = 0;
    for (DType type : KERNEL_TYPES) {
      int blocks = Math.ceilDiv(columns, kernels.blockColumns(type));
      long many = (long) blocks * Math.min(rows, Kernels.MAX_ROWS) * kernels.packedRowBytes(type);
      most = Math.max(most, Math.max(many, kernels.preparedBytes(type, columns)));
    }
    return align(most);
  }

  /** What the kernels want, one panel of fp32, the largest type, and its result. */
  private static long workerBytes(Kernels kernels, int columns) {
    return kernelBytes(kernels) + align(ROWS * 4L * columns) + Kernels.MAX_ROWS * 64L;
  }

  private static long kernelBytes(Kernels kernels) {
    long most = 0;
    for (DType type : KERNEL_TYPES) {
      most = Math.max(most, kernels.scratchBytes(type, PANELS_PER_CHUNK));
    }
    return align(most);
  }

  private static long align(long bytes) {
    return Math.ceilDiv(bytes, 256L) * 256;
  }

  /** Uses {@link #scratchBytes} at {@code address} from now on. */
  void reserve(long address, int rows, int columns) {
    packed = address;
    scratch = address + packedBytes(kernels, rows, columns);
    scratchBytes = workerBytes(kernels, columns);
    kernelBytes = kernelBytes(kernels);
    vector.reserve(scratch, scratchBytes);
    decoded = new float[workers.count()][columns];
    reservedRows = rows;
    reservedColumns = columns;
  }

  /** The product; shapes are checked by the caller. */
  void multiply(Tensor input, Tensor weight, Tensor output, boolean accumulate) {
    if (weight.columns() > reservedColumns
        || Math.min(input.rows(), Kernels.MAX_ROWS) > reservedRows) {
      throw new IllegalStateException(
          "a product of %s with %s is larger than the workspace reserved for %d rows of %d"
              .formatted(input, weight, reservedRows, reservedColumns));
    }
    boolean isPacked = weight.layout() == Tensor.Layout.PACKED;
    unpacked = isPacked ? null : weight;
    type = isPacked ? weight.type() : DType.F32;
    this.weight = Addresses.of(weight);
    outputs = weight.rows();
    columns = weight.columns();
    xRowBytes = input.rowStrideBytes();
    outRowBytes = output.rowStrideBytes();
    this.accumulate = accumulate;
    for (int first = 0; first < input.rows(); first += Kernels.MAX_ROWS) {
      x = Addresses.floats(input) + first * xRowBytes;
      out = Addresses.floats(output) + first * outRowBytes;
      rows = Math.min(Kernels.MAX_ROWS, input.rows() - first);
      if (rows == 1) {
        oneRow();
      } else {
        manyRows();
      }
    }
  }

  private int panelCount() {
    return Math.ceilDiv(outputs, ROWS);
  }

  /** Panels that lie in memory as the kernels want them. */
  private int readyPanels() {
    return unpacked == null ? outputs / ROWS : 0;
  }

  private long panelBytes() {
    return ROWS * type.rowBytes(columns);
  }

  /**
   * Columns [first, first + count) of a panel that is not ready, as a full one in the worker's
   * scratch memory.
   */
  private long makePanel(int panel, int first, int count, int worker) {
    long wide = scratch + worker * scratchBytes + kernelBytes;
    int r = PanelLayout.rowsOf(panel, outputs);
    Tensor t = unpacked;
    if (t == null) {
      PanelLayout.widen(type, weight + panel * panelBytes(), r, first, count, wide);
      return wide;
    }
    float[] row = decoded[worker];
    for (int i = 0; i < r; i++) {
      long at = t.offsetBytes() + (panel * (long) ROWS + i) * t.rowStrideBytes();
      BlockFormat.decodeRow(t.type(), HostBuffer.of(t), at, columns, row, 0);
      for (int k = 0; k < count; k++) {
        RawMemory.setFloat(wide + 64L * k + 4L * i, row[first + k] * t.scale());
      }
    }
    return wide;
  }

  private long result(int worker) {
    return scratch + (worker + 1) * scratchBytes - Kernels.MAX_ROWS * 64L;
  }

  private void copyOut(long result, long to, int panel) {
    int r = PanelLayout.rowsOf(panel, outputs);
    for (int i = 0; i < r; i++) {
      float v = RawMemory.getFloat(result + 4L * i);
      RawMemory.setFloat(to + 4L * i, accumulate ? v + RawMemory.getFloat(to + 4L * i) : v);
    }
  }

  // ---- one row of x

  private void oneRow() {
    if (kernels.preparedBytes(type, columns) > 0) {
      kernels.prepare(type, x, columns, packed);
      x = packed;
    }
    if (unpacked == null) {
      vector.multiply(type, weight, outputs, columns, x, out, accumulate);
    } else {
      panelsPerChunk = DECODED_PANELS;
      workers.run(decodedPanels, Math.ceilDiv(panelCount(), panelsPerChunk));
    }
  }

  private void multiplyDecoded(int chunk, int worker) {
    int first = chunk * panelsPerChunk;
    int last = Math.min(first + panelsPerChunk, panelCount());
    for (int p = first; p < last; p++) {
      long wide = makePanel(p, 0, columns, worker);
      kernels.multiplyVector(type, 1, wide, x, result(worker), columns, false);
      copyOut(result(worker), out + 64L * p, p);
    }
  }

  // ---- many rows of x

  private void manyRows() {
    workers.run(packing, rows);
    panelsPerChunk = Math.clamp(panelCount() / (4 * workers.count()), 2, PANELS_PER_CHUNK) & ~1;
    workers.run(panels, Math.ceilDiv(panelCount(), panelsPerChunk));
  }

  private long packedRow(int block, int row) {
    return packed + ((long) block * rows + row) * kernels.packedRowBytes(type);
  }

  private void packRow(int row, int worker) {
    int step = kernels.blockColumns(type);
    for (int k = 0, block = 0; k < columns; k += step, block++) {
      long from = x + row * xRowBytes + 4L * k;
      kernels.pack(type, from, Math.min(step, columns - k), packedRow(block, row));
    }
  }

  private void multiplyPanels(int chunk, int worker) {
    int first = chunk * panelsPerChunk;
    int last = Math.min(first + panelsPerChunk, panelCount());
    int ready = Math.clamp(readyPanels(), first, last);
    int step = kernels.blockColumns(type);
    for (int k = 0, block = 0; k < columns && first < ready; k += step, block++) {
      int count = Math.min(step, columns - k);
      long from = weight + first * panelBytes() + ROWS * type.rowBytes(k);
      boolean add = accumulate || k > 0;
      // The next columns of these panels, or the panels that this thread will likely take.
      long next =
          k + step < columns
              ? from + ROWS * type.rowBytes(step)
              : weight + (first + (long) workers.count() * panelsPerChunk) * panelBytes();
      tile(ready - first, from, block, count, out + 64L * first, outRowBytes, add, next, worker);
    }
    for (int p = ready; p < last; p++) {
      for (int k = 0, block = 0; k < columns; k += step, block++) {
        int count = Math.min(step, columns - k);
        long wide = makePanel(p, k, count, worker);
        tile(1, wide, block, count, result(worker), 64, k > 0, wide, worker);
      }
      for (int m = 0; m < rows; m++) {
        copyOut(result(worker) + 64L * m, out + m * outRowBytes + 64L * p, p);
      }
    }
  }

  private void tile(
      int count,
      long from,
      int block,
      int k,
      long to,
      long toRowBytes,
      boolean add,
      long next,
      int worker) {
    kernels.multiply(
        type,
        rows,
        count,
        from,
        panelBytes(),
        packedRow(block, 0),
        to,
        toRowBytes,
        k,
        add,
        next,
        scratch + worker * scratchBytes);
  }
}
