package assay.backend;

/**
 * A point in the device's queue whose time is taken when the queue reaches it. Reusable; made
 * before the timed region.
 */
public interface Mark extends AutoCloseable {
  /** Enqueues the taking of the time. */
  void record();

  /**
   * Seconds from {@code earlier} to this mark by the device's clock; both must have been reached
   * ({@link Backend#await}).
   */
  double secondsSince(Mark earlier);

  @Override
  void close();
}
