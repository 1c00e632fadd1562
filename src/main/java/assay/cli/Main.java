package assay.cli;

import assay.model.UserError;
import java.io.PrintWriter;
import java.util.Locale;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * The program: parses the command line, runs one command, turns what went wrong into one line and
 * an exit code.
 */
@Command(
    name = "assay",
    mixinStandardHelpOptions = true,
    versionProvider = VersionProvider.class,
    synopsisSubcommandLabel = "COMMAND",
    description = {
      "Predicts the bytes, FLOPs and time of decoder-only transformers, really runs them, and"
          + " compares."
    },
    footer = {"", "Help on one command: assay COMMAND --help"})
public final class Main implements Runnable {
  @Mixin private GlobalOptions global;

  @Spec private CommandSpec spec;

  /** Ends the JVM with the exit code of the contract. */
  public static void main(String[] args) throws ReflectiveOperationException {
    Terminal.useTrueStandardError();
    Locale.setDefault(Locale.ROOT); // the same numbers in every country: 0.5, never 0,5
    Logging.configure(args);
    int code = execute(commandLine(), args);
    System.out.flush();
    System.exit(code);
  }

  /** The whole command line, ready to execute; tests redirect its {@code out} and {@code err}. */
  static CommandLine commandLine() {
    CommandLine line = new CommandLine(new Main());
    for (Object command : Commands.all()) {
      line.addSubcommand(command);
    }
    line.setParameterExceptionHandler(Main::wrongUse);
    line.setExecutionExceptionHandler((e, failing, parsed) -> failed(e, failing));
    return line;
  }

  /**
   * Runs one command and returns the exit code; picocli hands on exceptions, but not errors such as
   * a full heap.
   */
  static int execute(CommandLine line, String... args) {
    try {
      return line.execute(args);
    } catch (StackOverflowError | OutOfMemoryError | LinkageError | AssertionError e) {
      return failed(e, line);
    }
  }

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "no command given");
  }

  private static int wrongUse(ParameterException e, String[] args) {
    CommandLine line = e.getCommandLine();
    String command = line.getCommandSpec().qualifiedName();
    line.getErr().printf("assay: %s (see %s --help)%n", oneLine(e), command);
    return UserError.BAD_INPUT;
  }

  private static int failed(Throwable e, CommandLine line) {
    PrintWriter err = line.getErr();
    int code;
    if (userErrorIn(e) instanceof UserError error) {
      err.printf("assay: %s%n", oneLine(error));
      code = error.exitCode();
    } else {
      err.printf(
          "assay: internal error: %s: %s (--debug shows where)%n",
          e.getClass().getSimpleName(), oneLine(e));
      code = ExitCode.DEFECT;
    }
    if (debug(line)) {
      e.printStackTrace(err);
    }
    err.flush();
    return code;
  }

  /** A worker thread or a stream may have wrapped the line that was written for the user. */
  private static Throwable userErrorIn(Throwable e) {
    for (Throwable cause = e; cause != null; cause = cause.getCause()) {
      if (cause instanceof UserError) {
        return cause;
      }
    }
    return e;
  }

  private static boolean debug(CommandLine line) {
    CommandLine root = line;
    while (root.getParent() != null) {
      root = root.getParent();
    }
    return root.getCommand() instanceof Main main && main.global.debug;
  }

  private static String oneLine(Throwable e) {
    String message = e.getMessage();
    return message == null ? "no message" : message.strip().replaceAll("\\s*\\R\\s*", "; ");
  }
}
