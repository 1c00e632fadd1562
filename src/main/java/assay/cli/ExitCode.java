package assay.cli;

/** What the program returns to the shell. Stable: scripts are built on it. */
public final class ExitCode {
  public static final int DONE = 0;

  /** A defect of Assay itself: nothing that a user typed explains it. */
  public static final int DEFECT = 1;

  /** Wrong use or bad input; one line on standard error says what, where and what was expected. */
  public static final int WRONG_USE = 2;

  /** Does not fit the device's memory; refused before anything was allocated. */
  public static final int DOES_NOT_FIT = 3;

  /** The device failed; the message names the driver's error and the operation. */
  public static final int DEVICE_FAILED = 4;

  /** A check that was asked for did not hold. */
  public static final int CHECK_FAILED = 5;

  /** Ctrl-C; finished results are kept. */
  public static final int INTERRUPTED = 130;

  private ExitCode() {}
}
