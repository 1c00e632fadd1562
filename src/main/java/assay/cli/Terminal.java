package assay.cli;

import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/**
 * What {@code scripts/assay} tells the program about standard error, which Java cannot find out by
 * itself.
 */
public final class Terminal {
  private Terminal() {}

  /** Whether a person sees standard error, so that a progress bar makes sense there. */
  public static boolean standardErrorIsTerminal() {
    return Boolean.getBoolean("assay.stderr.terminal");
  }

  /**
   * Makes {@code System.err} the descriptor that the launcher names. The JVM warns of the
   * incubating Vector API at each start and no option silences it, so the launcher gives the JVM a
   * filtered standard error and passes the true one beside it: what the program itself writes goes
   * there directly, unbuffered by the filter and complete when the process ends.
   */
  static void useTrueStandardError() throws ReflectiveOperationException {
    Integer descriptor = Integer.getInteger("assay.stderr");
    if (descriptor == null) {
      return; // not started by scripts/assay
    }
    // Opening /dev/fd/N instead would give a second file position: two writers to one file would
    // overwrite each other.
    var constructor = FileDescriptor.class.getDeclaredConstructor(int.class);
    constructor.setAccessible(true);
    FileOutputStream file = new FileOutputStream(constructor.newInstance(descriptor));
    System.setErr(new PrintStream(new BufferedOutputStream(file), true, StandardCharsets.UTF_8));
  }
}
