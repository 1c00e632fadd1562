package assay.cli;

import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;

/**
 * Options of every command, before or after its name. {@link Logging} reads them before picocli
 * does.
 */
final class GlobalOptions {
  @Option(
      names = {"-v", "--verbose"},
      scope = ScopeType.INHERIT,
      description = "Say what is being done, on standard error.")
  boolean verbose;

  @Option(
      names = "--debug",
      scope = ScopeType.INHERIT,
      description = "Say everything, and show the stack trace of an error.")
  boolean debug;
}
