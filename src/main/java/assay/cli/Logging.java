package assay.cli;

import java.util.Arrays;
import java.util.List;

/** Sets the level of the logs. */
final class Logging {
  private Logging() {}

  /**
   * Reads {@code -v} and {@code --debug} straight from the arguments: slf4j-simple fixes its level
   * when the first logger is made, and that happens while picocli creates the commands, before it
   * has parsed anything.
   */
  static void configure(String[] args) {
    List<String> given = Arrays.asList(args);
    String level =
        given.contains("--debug")
            ? "debug"
            : given.contains("-v") || given.contains("--verbose") ? "info" : "warn";
    System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", level);
  }
}
