package assay.tensor;

/**
 * A piece of device memory that an {@link Arena} owns. What an address means is the back end's
 * business: the host may not be able to touch it. A back end refuses buffers that are not its own
 * kind.
 */
public interface DeviceBuffer {
  /** Size in bytes. */
  long bytes();

  /** False once its arena is closed. */
  boolean isAlive();
}
