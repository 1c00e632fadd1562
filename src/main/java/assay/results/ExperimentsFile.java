package assay.results;

import assay.model.UserError;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.core.JacksonException;
import tools.jackson.core.exc.StreamReadException;

/** Experiments as JSON lines, beside the {@code results.jsonl} of the same run. */
public final class ExperimentsFile {
  /** Its usual name. */
  public static final String NAME = "experiments.jsonl";

  /** Usable experiments, and one line for each unusable one. */
  public record Contents(List<Experiment> experiments, List<ResultsReader.Problem> problems) {}

  private ExperimentsFile() {}

  /** Appends one experiment as one line. */
  public static void append(Path file, Experiment experiment) {
    try {
      Files.writeString(
          file,
          ResultJson.mapper().writeValueAsString(experiment) + "\n",
          StandardCharsets.UTF_8,
          StandardOpenOption.CREATE,
          StandardOpenOption.APPEND,
          StandardOpenOption.SYNC);
    } catch (IOException e) {
      throw new UserError("cannot write experiments to " + file + ": " + e);
    }
  }

  /**
   * Everything good in the files; a folder stands for the file of the usual name in it, and may
   * lack one.
   */
  public static Contents read(List<Path> paths) {
    List<Experiment> out = new ArrayList<>();
    List<ResultsReader.Problem> problems = new ArrayList<>();
    for (Path path : paths) {
      Path file = Files.isDirectory(path) ? path.resolve(NAME) : path;
      if (Files.isDirectory(path) && !Files.exists(file)) {
        continue;
      }
      readFile(file, out, problems);
    }
    return new Contents(List.copyOf(out), List.copyOf(problems));
  }

  private static void readFile(
      Path file, List<Experiment> out, List<ResultsReader.Problem> problems) {
    List<String> lines;
    try {
      lines = Files.readAllLines(file, StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UserError("cannot read experiments " + file + ": " + e);
    }
    for (int i = 0; i < lines.size(); i++) {
      if (lines.get(i).isBlank()) {
        continue;
      }
      try {
        Experiment e = ResultJson.mapper().readValue(lines.get(i), Experiment.class);
        if (e.schema() != ResultRow.SCHEMA) {
          throw new UserError(
              "schema %d: this version reads schema %d".formatted(e.schema(), ResultRow.SCHEMA));
        }
        out.add(e);
      } catch (JacksonException | UserError e) {
        // A line that ends too early is one that a killed writer began.
        String why =
            e instanceof StreamReadException && i == lines.size() - 1
                ? "cut off, as when the writer was killed; expected a whole line"
                : reason(e);
        problems.add(new ResultsReader.Problem(file, i + 1, why));
      }
    }
  }

  private static String reason(RuntimeException e) {
    Throwable cause = e.getCause() instanceof UserError inner ? inner : e;
    return String.valueOf(cause.getMessage()).lines().findFirst().orElse("unreadable");
  }
}
