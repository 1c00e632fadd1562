package assay.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.results.ResultRow;
import assay.results.ResultsReader;
import assay.results.Rows;
import assay.testing.Browser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The report of the results that lie in the repository, and of a hostile one, in a real browser.
 */
class ReportPageIT {
  private static final String EVIL = "</script><img src=x onerror=\"document.title='owned'\">&";
  private static Browser browser;
  @TempDir private static Path folder;
  private static Path page;

  @BeforeAll
  static void start() throws IOException {
    browser = Browser.start();
    List<ResultRow> rows = new ArrayList<>();
    try (var files = Files.walk(Path.of("results"))) {
      List<Path> stored =
          files.filter(f -> f.getFileName().toString().matches("(run|bench).*\\.jsonl")).toList();
      rows.addAll(ResultsReader.read(stored).rows());
    }
    assertTrue(rows.size() >= 10, "rows in results/");
    rows.add(Rows.named(EVIL, "Another <b>machine</b>", "elsewhere"));
    ReportInput input =
        new ReportInput(
            rows,
            List.of(
                Rows.comparison("tiny", "fp16", 1e-7, 2000),
                Rows.comparison("tiny", "int8", 1e-4, 1000),
                Rows.comparison(EVIL, "int4 " + EVIL, 1e-2, 500)),
            null,
            List.of(
                new ReportInput.ClaimLine(
                    "C1", "estimate", "2N a token", "holds", "1", "1", EVIL, "assay claims")),
            "test");
    page = folder.resolve("report.html");
    Files.writeString(page, HtmlReport.of(input));
  }

  @AfterAll
  static void stop() {
    if (browser != null) {
      browser.close();
    }
  }

  @BeforeEach
  void open() {
    browser.size(1280, 1000);
    browser.media("screen", "light");
    browser.open(page);
  }

  private static int count(String selector) {
    return browser.eval("document.querySelectorAll(`" + selector + "`).length").asInt();
  }

  private static String text(String expression) {
    return browser.eval(expression).asString();
  }

  private static void nothingWentWrong() {
    assertEquals(List.of(), browser.errors());
    assertEquals(List.of(), browser.foreignRequests());
  }

  @Test
  void everyPlotIsDrawnAndNothingIsLoaded() {
    assertEquals(
        "[]",
        text(
            "JSON.stringify([...document.querySelectorAll('figure')].filter(f =>"
                + " !f.querySelector('svg.plot')).map(f => f.id))"));
    // One prefill and one decode for each row that was measured with ceilings.
    int rows = browser.eval("report.rows.length").asInt();
    assertEquals(2 * rows, count("#roofline-plot .point"));
    assertEquals(0, count("svg [d*=NaN], svg [x*=NaN], svg [y*=NaN], svg [transform*=NaN]"));
    nothingWentWrong();
  }

  @Test
  void filtersReachTablesAndPlots() {
    int all = browser.eval("report.rows.length").asInt();
    browser.eval(
        "{const s = document.getElementById('filter-precision'); s.value = 'int8';"
            + " s.dispatchEvent(new Event('change'));}");
    int some = browser.eval("report.shown().length").asInt();
    assertTrue(some > 0 && some < all, some + " of " + all);
    assertEquals(
        some + " of " + all + " rows", text("document.getElementById('filter-count').textContent"));
    assertEquals(2 * some, count("#roofline-plot .point"));
    assertEquals(some, count("#provenance ~ .scroll tbody tr:not([hidden])"));
    browser.eval(
        "{const s = document.getElementById('filter-text'); s.value = 'no such word';"
            + " s.dispatchEvent(new Event('input'));}");
    assertEquals(0, browser.eval("report.shown().length").asInt());
    assertEquals(0, count("#roofline-plot .point"));
    // What belongs to no row stays.
    assertEquals(3, count("#precisions ~ .scroll tbody tr:not([hidden])"));
    nothingWentWrong();
  }

  @Test
  void columnsSortByNumberFromTheKeyboard() {
    String column =
        "[...document.querySelectorAll('#time ~ .scroll thead th')].findIndex(h =>"
            + " h.textContent === 'measured')";
    String values =
        "JSON.stringify([...document.querySelectorAll('#time ~ .scroll tbody tr')].map(r =>"
            + " Number(r.cells[%s].dataset.v)))".formatted(column);
    String sorted = "JSON.stringify(JSON.parse(%s).sort((a, b) => a - b))".formatted(values);
    assertNotEquals(text(sorted), text(values), "sorted before");
    browser.eval(
        "document.querySelectorAll('#time ~ .scroll thead th button')[%s].focus()"
            .formatted(column));
    browser.press("Enter", 13);
    assertEquals(text(sorted), text(values));
    String aria =
        "document.querySelectorAll('#time ~ .scroll thead th')[%s].getAttribute('aria-sort')"
            .formatted(column);
    assertEquals("ascending", text(aria));
    browser.press("Enter", 13);
    assertEquals("descending", text(aria));
    assertEquals(text("JSON.stringify(JSON.parse(%s).reverse())".formatted(sorted)), text(values));
    nothingWentWrong();
  }

  @Test
  void measuredNumbersLinkToTheirCommand() {
    assertTrue(count("a.n") > 100);
    assertEquals(
        0,
        browser
            .eval(
                "[...document.querySelectorAll('a.n')].filter(a => { const t ="
                    + " document.querySelector(a.getAttribute('href')); return !t ||"
                    + " !t.querySelector('code').textContent; }).length")
            .asInt());
  }

  /** One stop of the keyboard a plot; arrows go from mark to mark and say what it is. */
  @Test
  void marksAreReachedByArrows() {
    assertEquals(
        "[]",
        text(
            "JSON.stringify([...document.querySelectorAll('svg.plot')].filter(s =>"
                + " s.querySelectorAll('[tabindex=\"0\"]').length !== 1).map(s =>"
                + " s.outerHTML.slice(0, 80)))"));
    browser.eval("document.querySelector('#roofline-plot .point').focus()");
    String first = text("document.getElementById('tip').textContent");
    browser.press("ArrowRight", 39);
    String second = text("document.getElementById('tip').textContent");
    assertNotEquals(first, second);
    browser.press("ArrowLeft", 37);
    assertEquals(first, text("document.getElementById('tip').textContent"));
    browser.press("End", 35);
    assertEquals(
        "true",
        text(
            "String([...document.querySelectorAll('#roofline-plot .point')].at(-1) ==="
                + " document.activeElement)"));
  }

  /** A table is one stop too, also after it was filtered; a mark leads to its row. */
  @Test
  void tablesAreOneStopAndMarksLeadToTheirRows() {
    String stops =
        "JSON.stringify([...document.querySelectorAll('table.sorts tbody:has(a.n)')].map(b =>"
            + " b.querySelectorAll('tr:not([hidden]) th a.n[tabindex=\"0\"]').length))";
    assertTrue(text(stops).matches("\\[1(,1)+\\]"), text(stops));
    browser.eval(
        "{const s = document.getElementById('filter-precision'); s.value = 'int8';"
            + " s.dispatchEvent(new Event('change'));}");
    assertTrue(text(stops).matches("\\[1(,1)+\\]"), text(stops));
    browser.eval("document.querySelector('#roofline-plot .point').focus()");
    browser.press("Enter", 13);
    browser.await("/^#row-\\d+$/.test(location.hash)");
    assertEquals("int8", text("document.querySelector(location.hash).cells[2].textContent"));
  }

  /** Before and after a calibration as bars, for each precision and phase that has both. */
  @Test
  void errorsAreBars() {
    int precisions = browser.eval("new Set(report.rows.map(r => r.precision)).size").asInt();
    assertTrue(count("#time-bars rect.point") >= 2 * precisions);
    String label =
        text("document.querySelector('#time-bars rect.point').getAttribute('aria-label')");
    assertTrue(label.contains("off in the mean of"), label);
    nothingWentWrong();
  }

  /** Text and marks stand out from what they lie on: WCAG 2, 4.5 for text and 3 for marks. */
  @Test
  void contrastIsEnough() {
    String measure =
        """
        (() => {
          const probe = document.body.appendChild(document.createElement('i'));
          const rgb = v => { probe.style.color = `var(--${v})`; return getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map(Number); };
          const light = v => rgb(v).map(c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4).reduce((s, c, i) => s + c * [.2126, .7152, .0722][i], 0);
          const ratio = (a, b) => { const [x, y] = [light(a), light(b)]; return (Math.max(x, y) + .05) / (Math.min(x, y) + .05); };
          const out = [];
          for (const [least, colors, backs] of [[4.5, ['text', 'soft', 'accent', 'good', 'bad'], ['back', 'panel']], [4.5, ['warn', 'text'], ['warnback']],
              [3, ['c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'predicted', 'measured', 'calibrated', 'residual'], ['back']]])
            for (const c of colors) for (const b of backs) if (!(ratio(c, b) >= least)) out.push(`${c} on ${b} ${ratio(c, b).toFixed(2)}`);
          probe.remove();
          return out.join(', ');
        })()
        """;
    for (String colors : List.of("light", "dark")) {
      browser.media("screen", colors);
      assertEquals("", text(measure), colors);
    }
  }

  @Test
  void hostileNamesStayText() {
    assertEquals(0, count("img"));
    assertEquals(0, count("main b"));
    assertNotEquals("owned", text("document.title"));
    assertTrue(text("document.body.textContent").contains("onerror="));
    nothingWentWrong();
  }

  @Test
  void aScreenReaderFindsItsWay() {
    assertEquals(0, count("table:not(:has(caption))"));
    assertEquals(0, count("th:not([scope])"));
    assertEquals(0, count("svg.plot:not([aria-label])"));
    assertEquals(0, count("svg .point:not([aria-label])"));
    assertEquals(0, count("figure:not(:has(figcaption))"));
    assertEquals("en", text("document.documentElement.lang"));
    // Focus on a mark shows what it is, without a pointer.
    browser.eval("document.querySelector('#roofline-plot .point').focus()");
    assertTrue(text("document.getElementById('tip').textContent").contains("FLOP/s"));
  }

  @Test
  void aPhoneAndPaperAndTheDark() {
    browser.size(390, 844);
    browser.open(page);
    browser.await("document.documentElement.scrollWidth <= 390");
    assertEquals(
        0,
        browser
            .eval(
                "[...document.querySelectorAll('svg.plot')].filter(s =>"
                    + " s.getBoundingClientRect().right > 391).length")
            .asInt());
    browser.size(1280, 1000);
    String background = "getComputedStyle(document.body).backgroundColor";
    String light = text(background);
    browser.media("screen", "dark");
    assertNotEquals(light, text(background));
    browser.media("print", "dark");
    assertEquals("rgb(255, 255, 255)", text(background));
    assertEquals("none", text("getComputedStyle(document.getElementById('filters')).display"));
    browser.pictures("report", 3000);
    nothingWentWrong();
  }
}
