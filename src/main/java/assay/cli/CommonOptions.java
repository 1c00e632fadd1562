package assay.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import tools.jackson.databind.json.JsonMapper;

/** What every command offers. */
final class CommonOptions {
  private static final JsonMapper MAPPER = new JsonMapper();

  @Option(
      names = "--json",
      description = "Print one JSON document on standard output and nothing else there.")
  boolean json;

  @Option(
      names = "--device",
      paramLabel = "DEVICE",
      defaultValue = "auto",
      description =
          "auto, cpu, cuda or cuda:N. auto takes a GPU if one can really be used, else the CPU, and"
              + " says which and why.")
  String device = "auto";

  @Option(
      names = "--cuda-libraries",
      paramLabel = "DIR",
      description =
          "Where the NVIDIA driver's and CUDA's libraries are, if not in one of the usual places.")
  @Nullable Path cudaLibraries;

  @Spec(Spec.Target.MIXEE)
  private CommandSpec command;

  /** Standard output. */
  PrintWriter out() {
    return command.commandLine().getOut();
  }

  /** Standard error: progress and remarks. */
  PrintWriter err() {
    return command.commandLine().getErr();
  }

  /** Prints a document: maps, lists, records, numbers, strings. */
  void printJson(Object document) {
    out().println(MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(document));
    out().flush();
  }
}
