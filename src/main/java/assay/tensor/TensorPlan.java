package assay.tensor;

import assay.model.DType;

/** Counts what an arena would have to hold, by running the same allocations without memory. */
public final class TensorPlan implements TensorAllocator {
  private static final DeviceBuffer NOWHERE =
      new DeviceBuffer() {
        @Override
        public long bytes() {
          return Long.MAX_VALUE;
        }

        @Override
        public boolean isAlive() {
          return false;
        }
      };

  private long tensorBytes;
  private long reservedBytes;

  @Override
  public Tensor allocate(DType type, int rows, int columns) {
    long bytes = type.bytes(rows, columns);
    Tensor t = Tensor.rowMajor(NOWHERE, reservedBytes, type, rows, columns);
    tensorBytes = Math.addExact(tensorBytes, bytes);
    reservedBytes = Math.addExact(reservedBytes, padded(bytes));
    return t;
  }

  /** {@code bytes} rounded up to {@link TensorAllocator#ALIGNMENT_BYTES}. */
  public static long padded(long bytes) {
    return Math.multiplyExact(Math.ceilDiv(bytes, (long) ALIGNMENT_BYTES), (long) ALIGNMENT_BYTES);
  }

  /** Exact bytes of the tensors so far. */
  public long tensorBytes() {
    return tensorBytes;
  }

  /** The same with each tensor rounded up to its alignment. */
  public long reservedBytes() {
    return reservedBytes;
  }
}
