package assay.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.results.Comparison;
import assay.results.ResultRow;
import assay.results.Rows;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class HtmlReportTest {
  private static final String EVIL = "</script><script>alert(1)</script><img src=x onerror=y>|*_";

  private static ReportInput input(List<ResultRow> rows, List<Comparison> comparisons) {
    return new ReportInput(rows, comparisons, null, List.of(), "made " + EVIL);
  }

  /** Everything outside of our own scripts and styles. */
  private static String markup(String page) {
    return page.replaceAll("(?s)<(script|style)[^>]*>.*?</\\1>", "");
  }

  @Test
  void whatComesFromResultsIsNeverMarkup() {
    ResultRow r = Rows.named(EVIL, EVIL, EVIL);
    Comparison c = Rows.comparison(EVIL, EVIL, 0.01, 1000);
    ReportInput in = input(List.of(r, r), List.of(c));
    String page = HtmlReport.of(in);
    String body = markup(page);
    assertFalse(body.contains("<script"), body);
    assertFalse(body.contains("<img"), body);
    assertTrue(body.contains("&lt;img src=x"), body);
    // Data of the plots stays inside its element: as many scripts begin as were written.
    assertEquals(3, page.split("<script type=\"application/json\"", -1).length - 1);
    assertFalse(page.contains("alert(1)</script>"));
    String markdown = MarkdownReport.of(in);
    assertFalse(markdown.contains("<img"), markdown);
    assertFalse(markdown.contains("<script"), markdown);
    // A bar in a name makes no further column.
    for (String line : markdown.lines().filter(l -> l.startsWith("| 1 ")).toList()) {
      String header = markdown.lines().filter(l -> l.startsWith("| row")).findFirst().orElseThrow();
      assertTrue(line.replace("\\|", "").split("\\|").length >= 8, line);
      assertTrue(header.length() > 10);
    }
  }

  @Test
  void nothingMeasuredIsSaid() {
    ResultRow r = Rows.full("a");
    ResultRow failed =
        r.withMeasured(false, r.check(), null, null, null, null, null, List.of("not measured"));
    String page = markup(HtmlReport.of(input(List.of(failed), List.of())));
    assertTrue(page.contains("carry warnings of their own"), page);
    assertTrue(page.contains("1 rows of tiny"), page);
    assertFalse(page.contains("id=\"roofline-plot\""), page);
    assertTrue(HtmlReport.of(input(List.of(), List.of())).endsWith("</html>\n"));
    assertTrue(MarkdownReport.of(input(List.of(failed), List.of())).contains("not measured"));
  }

  /** Spread over 5 %, no calibration and warnings of the run come before any number. */
  @Test
  void troubleComesFirst() {
    List<Concerns.Concern> all =
        Concerns.of(List.of(Rows.full("a"), Rows.named("b", "A CPU", "h")));
    List<String> said = all.stream().map(Concerns.Concern::what).toList();
    assertTrue(said.stream().anyMatch(s -> s.startsWith("2 of 2 rows spread by more")), "" + said);
    assertTrue(
        said.stream().anyMatch(s -> s.startsWith("1 of 2 rows are predicted with")), "" + said);
    assertTrue(said.stream().noneMatch(s -> s.contains("throttled")), "" + said);
    String page = markup(HtmlReport.of(input(List.of(Rows.named("a", "A CPU", "h")), List.of())));
    assertTrue(page.indexOf("nobody calibrated") < page.indexOf("id=\"memory\""), page);
    assertTrue(page.indexOf("class=\"cards\"") < page.indexOf("id=\"memory\""), page);
  }

  /** A device's own reasons count, whatever the warnings say; idling is none. */
  @Test
  void throttlingIsReadFromTheDevice() {
    ResultRow r = Rows.full("a");
    List<String> what =
        Concerns.of(List.of(Rows.throttled(r, "power limit", "idle"), Rows.throttled(r, "idle"), r))
            .stream()
            .filter(c -> c.what().contains("throttled"))
            .flatMap(c -> Stream.concat(Stream.of(c.what()), c.lines().stream()))
            .toList();
    assertEquals(2, what.size(), what.toString());
    assertTrue(what.getFirst().startsWith("1 of 3 rows"), what.getFirst());
    assertTrue(what.getLast().startsWith("row 1, tiny bf16"), what.getLast());
    assertTrue(what.getLast().endsWith(": power limit"), what.getLast());
  }

  /** Many rows that warn of the same are one line, with where. */
  @Test
  void theSameWarningIsSaidOnce() {
    List<ResultRow> rows = new ArrayList<>();
    for (int i = 0; i < 7; i++) {
      ResultRow r = Rows.full("r" + i);
      String w = i == 3 ? "something else" : "other processes used " + (10 + i) + " %";
      rows.add(
          r.withMeasured(
              true, r.check(), r.measured(), null, r.utilization(), null, null, List.of(w)));
    }
    Concerns.Concern own = Concerns.of(rows).getLast();
    assertEquals("7 of 7 rows carry warnings of their own", own.what());
    assertEquals(2, own.lines().size(), own.lines().toString());
    assertTrue(own.lines().getFirst().startsWith("6 rows (1–3, 5–7): other processes used 10 %"));
    assertTrue(own.lines().getLast().startsWith("row 4, tiny"), own.lines().getLast());
    assertEquals("1, 2, 4–6, 9", Concerns.ranges(List.of(1, 2, 4, 5, 6, 9)));
  }

  /** What the page shows beside the rows is in CSV too, numbers in full. */
  @Test
  void verdictsAndWarningsAreCsvToo() {
    ReportInput in = input(List.of(Rows.full("a")), List.of());
    Map<String, String> csv = CsvTables.of(in);
    assertEquals(List.of("verdicts.csv", "warnings.csv"), List.copyOf(csv.keySet()));
    for (Front.Verdict v : Front.of(in.rows())) {
      assertTrue(csv.get("verdicts.csv").contains(v.verdict()), v.topic());
    }
    String warnings = csv.get("warnings.csv");
    long lines = Concerns.of(in.rows()).stream().mapToLong(c -> c.lines().size()).sum();
    assertEquals(lines + 1, warnings.lines().count(), warnings);
    // Words with commas are quoted.
    assertTrue(warnings.contains("\"row 1, tiny bf16, batch 1"), warnings);
  }

  /** Page and Markdown hold the same cells. */
  @Test
  void markdownSaysWhatThePageSays() {
    ReportInput in = input(List.of(Rows.full("a")), List.of(Rows.comparison("m", "int8", 1e-3, 9)));
    String markdown = MarkdownReport.of(in);
    String page = HtmlReport.of(in);
    for (Section s : Report.sections(in)) {
      for (Table t : s.tables()) {
        for (Table.Line line : t.lines()) {
          for (Table.Cell c : line.cells()) {
            assertTrue(markdown.contains(MarkdownReport.escape(c.text())), c.text());
            assertTrue(page.contains(Html.escape(c.text())), c.text());
          }
        }
      }
    }
    assertTrue(page.contains("class=\"n\">30 MB</a>"), "a measured number links to its row");
    assertTrue(page.contains("id=\"row-1\""));
  }

  @Test
  void machinesOfOneNameAreToldApart() {
    ReportInput in =
        input(List.of(Rows.full("a"), Rows.named("tiny", "A CPU", "other host")), List.of());
    assertEquals(
        List.of("A CPU", "A CPU (other host)"),
        in.machines().values().stream().distinct().toList());
    assertTrue(HtmlReport.of(in).contains(">machine</button>"));
  }
}
