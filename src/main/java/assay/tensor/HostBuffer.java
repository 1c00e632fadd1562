package assay.tensor;

import java.lang.foreign.MemorySegment;

/** Device memory that is the host's own. */
public final class HostBuffer implements DeviceBuffer {
  private final MemorySegment segment;
  private final MemorySegment.Scope owner;

  HostBuffer(MemorySegment segment, MemorySegment.Scope owner) {
    this.segment = segment;
    this.owner = owner;
  }

  /**
   * The host memory behind a tensor.
   *
   * @throws IllegalArgumentException when the tensor lies on another device or its arena is closed
   */
  public static MemorySegment of(Tensor t) {
    if (t.buffer() instanceof HostBuffer host) {
      if (!host.isAlive()) {
        throw new IllegalArgumentException(t + " belongs to a closed arena");
      }
      return host.segment;
    }
    throw new IllegalArgumentException(t + " is not in host memory");
  }

  @Override
  public long bytes() {
    return segment.byteSize();
  }

  @Override
  public boolean isAlive() {
    return owner.isAlive();
  }
}
