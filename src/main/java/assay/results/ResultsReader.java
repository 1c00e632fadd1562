package assay.results;

import assay.model.UserError;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;

/**
 * Reads rows back. What cannot be used is said, line by line, and everything good is still given.
 */
public final class ResultsReader {
  private ResultsReader() {}

  /**
   * What a file holds.
   *
   * @param rows the usable rows, in order, each id once
   * @param comparisons the usable lines of {@code compare}, in order
   * @param problems one line for each unusable one
   */
  public record Contents(
      List<ResultRow> rows, List<Comparison> comparisons, List<Problem> problems) {}

  /** A line of a file that cannot be used, and why. */
  public record Problem(Path file, int line, String message) {
    @Override
    public String toString() {
      return "%s line %d: %s".formatted(file, line, message);
    }
  }

  /**
   * All files' rows and comparisons; a folder stands for the {@code results.jsonl} in it. What is
   * in several files counts once.
   *
   * @throws UserError for a file that is not there or cannot be read
   */
  public static Contents read(List<Path> paths) {
    Map<String, ResultRow> rows = new LinkedHashMap<>();
    Set<Comparison> comparisons = new LinkedHashSet<>();
    List<Problem> problems = new ArrayList<>();
    for (Path path : paths) {
      Path file = Files.isDirectory(path) ? path.resolve("results.jsonl") : path;
      readFile(file, rows, comparisons, problems);
    }
    return new Contents(
        List.copyOf(rows.values()), List.copyOf(comparisons), List.copyOf(problems));
  }

  private static void readFile(
      Path file, Map<String, ResultRow> rows, Set<Comparison> comparisons, List<Problem> problems) {
    String text;
    try {
      text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
    } catch (java.nio.file.NoSuchFileException e) {
      throw new UserError("no results at " + file + ": expected a results.jsonl or its folder");
    } catch (IOException e) {
      throw new UserError("cannot read results " + file + ": " + e);
    }
    String[] lines = text.split("\n", -1);
    for (int i = 0; i < lines.length; i++) {
      if (lines[i].isBlank()) {
        continue;
      }
      boolean cut = i == lines.length - 1;
      try {
        JsonNode tree = tree(lines[i], cut);
        if (tree.has("variant")) {
          comparisons.add(record(tree, Comparison.class));
        } else {
          ResultRow row = record(tree, ResultRow.class);
          rows.putIfAbsent(row.id(), row);
        }
      } catch (UserError e) {
        problems.add(new Problem(file, i + 1, String.valueOf(e.getMessage())));
      }
    }
  }

  /**
   * One line as a row.
   *
   * @throws UserError when it is not one
   */
  public static ResultRow parse(String line) {
    return record(tree(line, false), ResultRow.class);
  }

  /** The line as an object of this schema. */
  private static JsonNode tree(String line, boolean cut) {
    JsonNode tree;
    try {
      tree = ResultJson.mapper().readTree(line);
    } catch (JacksonException e) {
      throw new UserError(
          cut
              ? "cut off, as when the writer was killed; expected a whole line"
              : "not JSON: " + oneLine(e.getOriginalMessage()));
    }
    if (!tree.isObject()) {
      throw new UserError("not a JSON object: expected a result row");
    }
    JsonNode schema = tree.get("schema");
    if (schema == null || !schema.isInt() || schema.intValue() != ResultRow.SCHEMA) {
      throw new UserError(
          "schema %s: this version reads schema %d"
              .formatted(schema == null ? "missing" : schema, ResultRow.SCHEMA));
    }
    return tree;
  }

  private static <T> T record(JsonNode tree, Class<T> kind) {
    try {
      return ResultJson.mapper().treeToValue(tree, kind);
    } catch (JacksonException e) {
      throw new UserError(reason(e));
    }
  }

  private static String reason(JacksonException e) {
    StringBuilder where = new StringBuilder();
    for (JacksonException.Reference r : e.getPath()) {
      if (r.getPropertyName() != null) {
        where.append(where.isEmpty() ? "" : ".").append(r.getPropertyName());
      }
    }
    Throwable cause = e.getCause();
    String message =
        cause instanceof UserError
            ? String.valueOf(cause.getMessage())
            : oneLine(e.getOriginalMessage());
    return where.isEmpty() ? message : "in " + where + ": " + message;
  }

  private static String oneLine(String message) {
    return message.lines().findFirst().orElse("unreadable");
  }
}
