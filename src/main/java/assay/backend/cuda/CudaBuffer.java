package assay.backend.cuda;

import assay.tensor.DeviceBuffer;

/** Memory of one back end's device. */
final class CudaBuffer implements DeviceBuffer {
  private final Object owner;
  private final long address;
  private final long bytes;
  private boolean alive = true;

  CudaBuffer(Object owner, long address, long bytes) {
    this.owner = owner;
    this.address = address;
    this.bytes = bytes;
  }

  /** Whether this back end (or that context) allocated it. */
  boolean belongsTo(Object who) {
    return owner.equals(who);
  }

  long address() {
    return address;
  }

  @Override
  public long bytes() {
    return bytes;
  }

  @Override
  public boolean isAlive() {
    return alive;
  }

  void dead() {
    alive = false;
  }
}
