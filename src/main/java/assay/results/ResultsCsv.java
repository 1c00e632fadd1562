package assay.results;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.SequencedSet;
import tools.jackson.databind.JsonNode;

/**
 * Rows as a table: one column per number, named by its path in the row ({@code
 * measured.prefill_seconds.median}); RFC 4180. Raw samples and per-operation times stay in the JSON
 * lines.
 */
public final class ResultsCsv {
  private ResultsCsv() {}

  /** The header and one line per row. A column that no row has is left out. */
  public static String of(List<ResultRow> rows) {
    return ofAny(rows);
  }

  /** The same of any plain records: comparisons, lines of a ledger. */
  public static String ofAny(List<?> rows) {
    List<Map<String, String>> cells = new ArrayList<>();
    SequencedSet<String> columns = new LinkedHashSet<>();
    for (Object row : rows) {
      SequencedMap<String, String> flat = new LinkedHashMap<>();
      flatten("", ResultJson.mapper().valueToTree(row), flat);
      cells.add(flat);
      columns.addAll(flat.keySet());
    }
    StringBuilder out = new StringBuilder();
    line(out, List.copyOf(columns));
    for (Map<String, String> row : cells) {
      line(out, columns.stream().map(c -> row.getOrDefault(c, "")).toList());
    }
    return out.toString();
  }

  private static void flatten(String path, JsonNode node, Map<String, String> out) {
    if (node.isObject()) {
      node.properties()
          .forEach(
              e ->
                  flatten(
                      path.isEmpty() ? e.getKey() : path + "." + e.getKey(), e.getValue(), out));
    } else if (node.isArray()) {
      if (node.isEmpty() || node.get(0).isObject() || path.startsWith("samples.")) {
        return;
      }
      List<String> items = new ArrayList<>();
      node.forEach(item -> items.add(item.asString()));
      out.put(path, String.join("; ", items));
    } else {
      out.put(path, node.asString());
    }
  }

  private static void line(StringBuilder out, List<String> cells) {
    for (int i = 0; i < cells.size(); i++) {
      out.append(i == 0 ? "" : ",").append(quoted(cells.get(i)));
    }
    out.append("\r\n");
  }

  private static String quoted(String cell) {
    boolean plain = cell.chars().noneMatch(c -> c == ',' || c == '"' || c == '\n' || c == '\r');
    return plain ? cell : '"' + cell.replace("\"", "\"\"") + '"';
  }
}
