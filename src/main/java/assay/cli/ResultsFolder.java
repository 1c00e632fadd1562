package assay.cli;

import assay.model.UserError;
import assay.report.HtmlReport;
import assay.results.ResultJson;
import assay.results.ResultRow;
import assay.results.ResultsCsv;
import assay.results.ResultsWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Where a run leaves what it found: {@code predictions.jsonl} before anything is measured, then
 * {@code results.jsonl} row by row, and after each row {@code results.csv} and {@code report.html}
 * of all so far.
 */
final class ResultsFolder implements AutoCloseable {
  private static final DateTimeFormatter NAME = DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss");

  private final Path folder;
  private final ResultsWriter writer;
  private final List<ResultRow> rows = new ArrayList<>();

  private ResultsFolder(Path folder, ResultsWriter writer) {
    this.folder = folder;
    this.writer = writer;
  }

  /**
   * Makes it, before anything is measured.
   *
   * @param asked the user's folder; null for {@code assay-results/<time>}
   * @throws UserError when it cannot be written
   */
  static ResultsFolder create(@Nullable Path asked) {
    Path folder =
        asked != null
            ? asked
            : Path.of("assay-results", LocalDateTime.now(ZoneId.systemDefault()).format(NAME));
    try {
      Files.createDirectories(folder);
    } catch (IOException e) {
      throw new UserError(
          "cannot make the folder %s for results: %s; expected a writable place (--out)"
              .formatted(folder, e));
    }
    return new ResultsFolder(folder, new ResultsWriter(folder.resolve("results.jsonl")));
  }

  /** Writes what is predicted. */
  void predictions(List<ResultRow> predicted) {
    StringBuilder lines = new StringBuilder();
    predicted.forEach(row -> lines.append(ResultJson.line(row)).append('\n'));
    replace("predictions.jsonl", lines.toString());
  }

  /** Keeps a finished row. */
  void add(ResultRow row) {
    writer.append(row);
    rows.add(row);
    replace("results.csv", ResultsCsv.of(rows));
    replace("report.html", HtmlReport.of(rows));
  }

  List<ResultRow> rows() {
    return List.copyOf(rows);
  }

  Path folder() {
    return folder;
  }

  /** The page; null before the first row. */
  @Nullable Path report() {
    return rows.isEmpty() ? null : folder.resolve("report.html");
  }

  /** Whole or not at all: a reader never sees half a page. */
  private void replace(String name, String text) {
    write(folder.resolve(name), text);
  }

  /**
   * Writes a file by way of a neighbour that is then renamed.
   *
   * @throws UserError when it cannot be written
   */
  static void write(Path file, String text) {
    Path part = file.resolveSibling(file.getFileName() + ".part");
    try {
      Files.write(part, text.getBytes(StandardCharsets.UTF_8));
      Files.move(part, file, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw new UserError("cannot write %s: %s; expected a writable place".formatted(file, e));
    }
  }

  @Override
  public void close() {
    writer.close();
  }
}
