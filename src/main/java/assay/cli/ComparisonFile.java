package assay.cli;

import assay.model.UserError;
import assay.results.Comparison;
import assay.results.ResultJson;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;

/** Comparisons as JSON lines. */
final class ComparisonFile {
  private ComparisonFile() {}

  static void append(Path file, List<Comparison> rows) {
    StringBuilder lines = new StringBuilder();
    for (Comparison c : rows) {
      lines.append(ResultJson.mapper().writeValueAsString(c)).append('\n');
    }
    try {
      Files.writeString(
          file,
          lines,
          StandardCharsets.UTF_8,
          StandardOpenOption.CREATE,
          StandardOpenOption.APPEND);
    } catch (IOException e) {
      throw new UserError("cannot write comparisons to " + file + ": " + e);
    }
  }
}
