package assay.backend;

/** A recorded sequence of operations, to be replayed by the back end that made it. */
public interface Recording extends AutoCloseable {
  /** Enqueues the sequence once more. Allocates nothing. */
  void replay();

  @Override
  void close();
}
