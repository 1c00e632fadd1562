package assay.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.results.ResultRow;
import assay.results.Rows;
import java.io.StringReader;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.xml.sax.InputSource;

class HtmlReportTest {
  @Test
  void theRooflineIsWellFormedAndHasAPointForEachPhase() throws Exception {
    String svg = RooflinePlot.svg(List.of(Rows.full("a")));
    Document d =
        DocumentBuilderFactory.newInstance()
            .newDocumentBuilder()
            .parse(new InputSource(new StringReader("<x>" + svg + "</x>")));
    assertEquals(2, d.getElementsByTagName("circle").getLength());
    assertFalse(svg.contains("NaN") || svg.contains("Infinity"), svg);
  }

  @Test
  void whatComesFromResultsIsEscaped() {
    ResultRow r = Rows.full("a");
    ResultRow evil =
        r.withMeasured(
            r.valid(),
            r.check(),
            r.measured(),
            r.ceilings(),
            r.utilization(),
            null,
            r.samples(),
            List.of("<script>alert(1)</script>"));
    String page = HtmlReport.of(List.of(evil));
    assertFalse(page.contains("<script>"), page);
    assertTrue(page.contains("&lt;script&gt;"));
  }

  @Test
  void nothingMeasuredIsSaid() {
    ResultRow r = Rows.full("a");
    ResultRow failed =
        r.withMeasured(false, r.check(), null, null, null, null, null, List.of("not measured"));
    String page = HtmlReport.of(List.of(failed));
    assertTrue(page.contains("Nothing measured to plot"), page);
    assertTrue(HtmlReport.of(List.of()).endsWith("</html>\n"));
    assertEquals(2, MarkdownReport.of(List.of(failed)).lines().count());
  }
}
