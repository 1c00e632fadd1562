package assay.tensor;

/**
 * Owner of device memory of one category. It is reserved once, at its creation; tensors are cut
 * from it and are views; closing it frees everything and makes all its tensors unusable.
 */
public interface Arena extends TensorAllocator, AutoCloseable {
  /** What the memory is for. */
  MemoryCategory category();

  /** Exact bytes of the tensors cut from it, without alignment. */
  long tensorBytes();

  /** Bytes taken from the device. */
  long reservedBytes();

  /** Frees the memory. A second call does nothing. */
  @Override
  void close();
}
