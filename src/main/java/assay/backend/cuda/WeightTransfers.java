package assay.backend.cuda;

import assay.backend.cuda.Handles.DevicePointer;
import assay.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import jcuda.driver.JCudaDriver;

/** Bytes between host and device; blocked weights change their order on the device, on the way. */
final class WeightTransfers {
  /** Stored blocks are converted so many bytes at a time. */
  private static final long PIECE_BYTES = HostStaging.PIECE_BYTES;

  private final CudaContext context;
  private final CudaMemory memory;
  private final HostStaging staging;
  private final MatrixOps matrices;
  private final CudaScratch scratch;

  WeightTransfers(
      CudaContext context,
      CudaMemory memory,
      HostStaging staging,
      MatrixOps matrices,
      CudaScratch scratch) {
    this.context = context;
    this.memory = memory;
    this.staging = staging;
    this.matrices = matrices;
    this.scratch = scratch;
  }

  void writePlain(Tensor t, MemorySegment source) {
    requirePlain(t);
    requireBytes(source, t.bytes());
    staging.write(
        memory.address(t), t.rowStrideBytes(), source, t.type().rowBytes(t.columns()), t.rows());
  }

  void readPlain(Tensor t, MemorySegment target) {
    requirePlain(t);
    requireBytes(target, t.bytes());
    context.synchronize();
    staging.read(
        memory.address(t), t.rowStrideBytes(), target, t.type().rowBytes(t.columns()), t.rows());
  }

  private static void requirePlain(Tensor t) {
    if (t.layout() != Tensor.Layout.ROW_MAJOR) {
      throw new IllegalArgumentException(t + " is read and written as a weight only");
    }
  }

  private static void requireBytes(MemorySegment host, long bytes) {
    if (host.byteSize() < bytes) {
      throw new IllegalArgumentException(host.byteSize() + " bytes on the host for " + bytes);
    }
  }

  /** Within the device's memory, enqueued. */
  void copy(Tensor from, Tensor to) {
    requirePlain(from);
    requirePlain(to);
    if (!from.isDense() || !to.isDense() || from.bytes() != to.bytes()) {
      throw new IllegalArgumentException("copy of " + from + " to " + to);
    }
    context.enter();
    context.check(
        JCudaDriver.cuMemcpyDtoDAsync(
            new DevicePointer(memory.address(to)),
            new DevicePointer(memory.address(from)),
            from.bytes(),
            context.stream()),
        "cuMemcpyDtoDAsync");
  }

  void write(Tensor weight, int firstRow, int rowCount, MemorySegment source) {
    if (!PackedLayout.applies(weight.type())) {
      writePlain(weight.rows(firstRow, rowCount), source);
      return;
    }
    pieces(
        weight,
        firstRow,
        rowCount,
        source,
        (first, count, bytes, device) -> {
          staging.write(device, bytes.byteSize(), bytes, bytes.byteSize(), 1);
          matrices.pack(device, weight, first, count);
        });
  }

  void read(Tensor weight, int firstRow, int rowCount, MemorySegment target) {
    if (!PackedLayout.applies(weight.type())) {
      readPlain(weight.rows(firstRow, rowCount), target);
      return;
    }
    pieces(
        weight,
        firstRow,
        rowCount,
        target,
        (first, count, bytes, device) -> {
          matrices.unpack(weight, first, count, device);
          staging.read(device, bytes.byteSize(), bytes, bytes.byteSize(), 1);
        });
  }

  private interface Piece {
    void transfer(int firstRow, int rowCount, MemorySegment host, long device);
  }

  private void pieces(Tensor weight, int firstRow, int rowCount, MemorySegment host, Piece piece) {
    if (firstRow < 0 || rowCount < 0 || firstRow > weight.rows() - rowCount) {
      throw new IllegalArgumentException("rows " + firstRow + " + " + rowCount + " of " + weight);
    }
    long rowBytes = weight.type().rowBytes(weight.columns());
    requireBytes(host, rowBytes * rowCount);
    int atOnce = Math.toIntExact(Math.clamp(PIECE_BYTES / rowBytes, 1, Math.max(1, rowCount)));
    long device = scratch.address(CudaScratch.Part.PANEL, atOnce * rowBytes);
    for (int done = 0; done < rowCount; done += atOnce) {
      int count = Math.min(atOnce, rowCount - done);
      piece.transfer(
          firstRow + done, count, host.asSlice(done * rowBytes, count * rowBytes), device);
    }
  }
}
