package assay.model;

/**
 * Something that the user gave cannot be used: one line that says what, where and what was
 * expected. The command line prints the message alone and ends with {@link #exitCode()}.
 */
public class UserError extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Wrong use or bad input. */
  public static final int BAD_INPUT = 2;

  /** The model does not fit the device's memory; refused before anything is allocated. */
  public static final int DOES_NOT_FIT = 3;

  /** The device failed. */
  public static final int DEVICE_FAILED = 4;

  /** A check that was asked for did not hold. */
  public static final int CHECK_FAILED = 5;

  /** Messages quote strangers' files: what is longer is cut. */
  private static final int MAX_LENGTH = 800;

  private final int exitCode;

  /** Bad input: exit code 2. */
  public UserError(String message) {
    this(BAD_INPUT, message);
  }

  /** One of the constants above with its one-line message. */
  public UserError(int exitCode, String message) {
    super(oneLine(message));
    this.exitCode = exitCode;
  }

  /** One line without control characters, which could speak to the terminal, and not too long. */
  private static String oneLine(String message) {
    int end = Math.min(message.length(), MAX_LENGTH);
    StringBuilder out = new StringBuilder(end + 1);
    for (int i = 0; i < end; i++) {
      char c = message.charAt(i);
      boolean separator = c == '\u2028' || c == '\u2029';
      out.append(Character.isISOControl(c) || separator ? ' ' : c);
    }
    return end < message.length() ? out.append('…').toString() : out.toString();
  }

  /** The process's exit code. */
  public int exitCode() {
    return exitCode;
  }
}
