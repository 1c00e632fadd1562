package assay.report;

import java.util.List;

/**
 * One part of the report.
 *
 * @param id of its heading in the page
 * @param title of it
 * @param note one or two sentences on how to read it
 * @param figures ids of plots that the page's script draws
 * @param tables below them
 */
record Section(String id, String title, String note, List<String> figures, List<Table> tables) {
  /** False when there is nothing to show. */
  boolean hasLines() {
    return tables.stream().anyMatch(t -> !t.lines().isEmpty());
  }
}
