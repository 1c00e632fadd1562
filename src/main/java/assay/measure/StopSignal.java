package assay.measure;

/** Asks whether the user wants to stop; measuring looks between passes. */
@FunctionalInterface
public interface StopSignal {
  /** Nobody stops it. */
  StopSignal NEVER = () -> false;

  /** True once the user has asked to stop. */
  boolean requested();

  /**
   * Returns, or stops.
   *
   * @throws StoppedException when a stop was requested
   */
  default void check() {
    if (requested()) {
      throw new StoppedException();
    }
  }

  /** The user stopped a measurement; what is finished is kept, the one under way is dropped. */
  final class StoppedException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    StoppedException() {
      super("stopped");
    }
  }
}
