package assay.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.results.Comparison;
import assay.results.ResultRow;
import assay.results.Rows;
import java.util.List;
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
