package assay.backend.cuda;

import assay.backend.cuda.Handles.DevicePointer;
import assay.backend.cuda.Handles.HostPointer;
import java.lang.foreign.MemorySegment;
import jcuda.driver.CUDA_MEMCPY2D;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.CUmemorytype;
import jcuda.driver.JCudaDriver;

/**
 * Transfers through two page-locked pieces of host memory, so that the host fills one while the
 * device copies from the other, and the caller's memory is free again on return. A piece is filled
 * again only after the event behind its last copy.
 */
final class HostStaging implements AutoCloseable {
  static final long PIECE_BYTES = 8L << 20;
  private final CudaContext context;
  private final Piece[] pieces;
  private int next;

  private static final class Piece {
    final HostPointer pointer = new HostPointer();
    final CUevent copied = new CUevent();
    boolean allocated;
    boolean hasEvent;
    boolean used;
    MemorySegment memory = MemorySegment.NULL;
  }

  /** Takes the page-locked memory. */
  HostStaging(CudaContext context) {
    this.context = context;
    this.pieces = new Piece[] {new Piece(), new Piece()};
    try {
      for (Piece p : pieces) {
        allocate(p);
      }
    } catch (Throwable t) {
      close();
      throw t;
    }
  }

  @SuppressWarnings("restricted")
  private void allocate(Piece p) {
    context.check(JCudaDriver.cuMemAllocHost(p.pointer, PIECE_BYTES), "cuMemAllocHost");
    p.allocated = true;
    p.memory = MemorySegment.ofAddress(p.pointer.address()).reinterpret(PIECE_BYTES);
    context.check(
        JCudaDriver.cuEventCreate(p.copied, CUevent_flags.CU_EVENT_DISABLE_TIMING),
        "cuEventCreate");
    p.hasEvent = true;
  }

  /**
   * Enqueues a copy of {@code rows} dense rows from the host to rows {@code strideBytes} apart;
   * {@code source} is free on return.
   */
  void write(long device, long strideBytes, MemorySegment source, long rowBytes, long rows) {
    forPieces(
        rowBytes,
        strideBytes,
        rows,
        (piece, at, deviceOffset, bytes, n) -> {
          awaitPiece(piece);
          MemorySegment.copy(source, at, piece.memory, 0, bytes * n);
          copy(
              new DevicePointer(device + deviceOffset), strideBytes, piece.pointer, bytes, n, true);
          context.check(JCudaDriver.cuEventRecord(piece.copied, context.stream()), "cuEventRecord");
          piece.used = true;
        });
  }

  /** Copies rows back; waits for everything before it and is complete on return. */
  void read(long device, long strideBytes, MemorySegment target, long rowBytes, long rows) {
    forPieces(
        rowBytes,
        strideBytes,
        rows,
        (piece, at, deviceOffset, bytes, n) -> {
          awaitPiece(piece);
          copy(
              new DevicePointer(device + deviceOffset),
              strideBytes,
              piece.pointer,
              bytes,
              n,
              false);
          context.synchronize();
          MemorySegment.copy(piece.memory, 0, target, at, bytes * n);
        });
  }

  private interface PieceCopy {
    /** n rows of {@code bytes}, dense on the host from {@code at} on. */
    void copy(Piece piece, long at, long deviceOffset, long bytes, long n);
  }

  /**
   * Cuts a transfer into what fits a piece: whole rows, or parts of one row that alone is too long.
   */
  private void forPieces(long rowBytes, long strideBytes, long rows, PieceCopy copy) {
    context.enter();
    if (context.isCapturing()) {
      throw new IllegalStateException("a transfer inside of a recording");
    }
    if (rowBytes == strideBytes || rows == 1) {
      long total = rowBytes * rows;
      for (long at = 0; at < total; at += PIECE_BYTES) {
        copy.copy(turn(), at, at, Math.min(PIECE_BYTES, total - at), 1);
      }
      return;
    }
    if (rowBytes > PIECE_BYTES) {
      for (long r = 0; r < rows; r++) {
        for (long at = 0; at < rowBytes; at += PIECE_BYTES) {
          copy.copy(
              turn(),
              r * rowBytes + at,
              r * strideBytes + at,
              Math.min(PIECE_BYTES, rowBytes - at),
              1);
        }
      }
      return;
    }
    long atOnce = rowBytes == 0 ? rows : PIECE_BYTES / rowBytes;
    for (long r = 0; r < rows && rowBytes > 0; r += atOnce) {
      copy.copy(turn(), r * rowBytes, r * strideBytes, rowBytes, Math.min(atOnce, rows - r));
    }
  }

  private Piece turn() {
    next ^= 1;
    return pieces[next];
  }

  private void awaitPiece(Piece piece) {
    if (piece.used) {
      context.check(JCudaDriver.cuEventSynchronize(piece.copied), "cuEventSynchronize");
      piece.used = false;
    }
  }

  private void copy(
      DevicePointer device,
      long strideBytes,
      HostPointer host,
      long bytes,
      long rows,
      boolean toDevice) {
    if (rows == 1 && toDevice) {
      context.check(
          JCudaDriver.cuMemcpyHtoDAsync(device, host, bytes, context.stream()),
          "cuMemcpyHtoDAsync");
      return;
    }
    if (rows == 1) {
      context.check(
          JCudaDriver.cuMemcpyDtoHAsync(host, device, bytes, context.stream()),
          "cuMemcpyDtoHAsync");
      return;
    }
    CUDA_MEMCPY2D c = new CUDA_MEMCPY2D();
    c.WidthInBytes = bytes;
    c.Height = rows;
    if (toDevice) {
      c.srcMemoryType = CUmemorytype.CU_MEMORYTYPE_HOST;
      c.srcHost = host;
      c.srcPitch = bytes;
      c.dstMemoryType = CUmemorytype.CU_MEMORYTYPE_DEVICE;
      c.dstDevice = device;
      c.dstPitch = strideBytes;
    } else {
      c.srcMemoryType = CUmemorytype.CU_MEMORYTYPE_DEVICE;
      c.srcDevice = device;
      c.srcPitch = strideBytes;
      c.dstMemoryType = CUmemorytype.CU_MEMORYTYPE_HOST;
      c.dstHost = host;
      c.dstPitch = bytes;
    }
    context.check(JCudaDriver.cuMemcpy2DAsync(c, context.stream()), "cuMemcpy2DAsync");
  }

  @Override
  public void close() {
    for (Piece p : pieces) {
      if (p.hasEvent && !context.isLost()) {
        int _ = JCudaDriver.cuEventDestroy(p.copied);
      }
      if (p.allocated && !context.isLost()) {
        int _ = JCudaDriver.cuMemFreeHost(p.pointer);
      }
      p.hasEvent = false;
      p.allocated = false;
    }
  }
}
