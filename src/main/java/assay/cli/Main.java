package assay.cli;

import java.io.PrintWriter;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
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

  public static void main(String[] args) {
    Logging.configure(args);
    int code = commandLine().execute(args);
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
    line.setExecutionExceptionHandler(Main::failed);
    return line;
  }

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "no command given");
  }

  private static int wrongUse(ParameterException e, String[] args) {
    CommandLine line = e.getCommandLine();
    String command = line.getCommandSpec().qualifiedName();
    line.getErr().printf("assay: %s (see %s --help)%n", oneLine(e), command);
    return ExitCode.WRONG_USE;
  }

  private static int failed(Exception e, CommandLine line, ParseResult parsed) {
    PrintWriter err = line.getErr();
    err.printf("assay: internal error: %s (--debug shows where)%n", describe(e));
    if (debug(line)) {
      e.printStackTrace(err);
    }
    err.flush();
    return ExitCode.DEFECT;
  }

  private static boolean debug(CommandLine line) {
    CommandLine root = line;
    while (root.getParent() != null) {
      root = root.getParent();
    }
    return root.getCommand() instanceof Main main && main.global.debug;
  }

  private static String describe(Throwable e) {
    return e.getClass().getSimpleName() + ": " + oneLine(e);
  }

  private static String oneLine(Throwable e) {
    String message = e.getMessage();
    return message == null ? "no message" : message.strip().replaceAll("\\s*\\R\\s*", "; ");
  }
}
