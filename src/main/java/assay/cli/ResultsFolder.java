package assay.cli;

import assay.model.UserError;
import assay.report.HtmlReport;
import assay.report.ReportInput;
import assay.results.Environment;
import assay.results.ResultJson;
import assay.results.ResultRow;
import assay.results.ResultsCsv;
import assay.results.ResultsReader;
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
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Where a run leaves what it found: {@code predictions.jsonl} before anything is measured, then
 * {@code results.jsonl} row by row, and now and then {@code results.csv} and {@code report.html} of
 * all so far.
 */
final class ResultsFolder implements AutoCloseable {
  private static final DateTimeFormatter NAME = DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss");

  /** Pages are drawn again after so much time with new rows, and at the end. */
  private static final long RENDER_NS = 5_000_000_000L;

  private final Path folder;
  private final ResultsWriter writer;
  private final List<ResultRow> rows = new ArrayList<>();
  private final List<ResultRow> predicted = new ArrayList<>();
  private boolean stale;
  private long renderedNs;

  private ResultsFolder(Path folder, ResultsWriter writer) {
    this.folder = folder;
    this.writer = writer;
  }

  /**
   * Makes it, before anything is measured.
   *
   * @param asked the user's folder; null for {@code assay-results/<time>}
   * @param resume keep the rows that an earlier run finished there, and mend its last line
   * @throws UserError when it cannot be written
   */
  static ResultsFolder open(@Nullable Path asked, boolean resume) {
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
    Path file = folder.resolve("results.jsonl");
    ResultsWriter writer = resume ? ResultsWriter.afterCutLine(file) : new ResultsWriter(file);
    ResultsFolder out = new ResultsFolder(folder, writer);
    if (resume) {
      out.keepEarlier(file);
    }
    return out;
  }

  private void keepEarlier(Path file) {
    rows.addAll(ResultsReader.read(List.of(file)).rows());
    stale = !rows.isEmpty();
    Path predictions = folder.resolve("predictions.jsonl");
    if (Files.exists(predictions)) {
      Set<String> done = rows.stream().map(ResultRow::id).collect(Collectors.toSet());
      ResultsReader.read(List.of(predictions)).rows().stream()
          .filter(r -> done.contains(r.id()))
          .forEach(predicted::add);
    }
  }

  /**
   * Rows of one device only belong together here.
   *
   * @throws UserError when the folder holds those of another
   */
  void expectRowsOf(Environment here) {
    for (ResultRow r : rows) {
      if (!r.environment().name().equals(here.name())) {
        throw new UserError(
            "%s holds rows of %s, this is %s: expected another --out"
                .formatted(folder, r.environment().name(), here.name()));
      }
    }
  }

  /** Writes what is predicted. */
  void predictions(List<ResultRow> more) {
    predicted.addAll(more);
    StringBuilder lines = new StringBuilder();
    predicted.forEach(row -> lines.append(ResultJson.line(row)).append('\n'));
    replace("predictions.jsonl", lines.toString());
  }

  /** Keeps a finished row: it is on the disk when this returns. */
  void add(ResultRow row) {
    writer.append(row);
    rows.add(row);
    stale = true;
    if (System.nanoTime() - renderedNs > RENDER_NS || rows.size() == 1) {
      render();
    }
  }

  /** Draws the pages of all rows so far, if they are not drawn yet. */
  void render() {
    if (stale) {
      replace("results.csv", ResultsCsv.of(rows));
      replace("report.html", HtmlReport.of(ReportInput.of(rows, ReportCommand.made())));
      stale = false;
      renderedNs = System.nanoTime();
    }
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
    try {
      render();
    } finally {
      writer.close();
    }
  }
}
