package assay.cli;

/**
 * What the program returns to the shell beyond the codes of {@link assay.model.UserError}. Stable:
 * scripts are built on it.
 */
public final class ExitCode {
  /** Everything that was asked for is done. */
  public static final int DONE = 0;

  /** A defect of Assay itself: nothing that a user typed explains it. */
  public static final int DEFECT = 1;

  /**
   * Ctrl-C; finished results are kept. The JVM ends with it by itself, after the shutdown hooks.
   */
  public static final int INTERRUPTED = 130;

  private ExitCode() {}
}
