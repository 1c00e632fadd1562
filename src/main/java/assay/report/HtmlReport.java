package assay.report;

import assay.results.Comparison;
import assay.results.Environment;
import assay.results.ResultJson;
import assay.results.ResultRow;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * One page that opens from disk with no network: verdicts and warnings first, then plots and tables
 * that filter together. Tables are there without a script too.
 */
public final class HtmlReport {
  private final StringBuilder out = new StringBuilder();
  private final ReportInput in;

  private HtmlReport(ReportInput in) {
    this.in = in;
  }

  /** The page. */
  public static String of(ReportInput input) {
    return new HtmlReport(input).page();
  }

  private String page() {
    List<Section> sections = Report.sections(in);
    out.append("<a class=\"skip\" href=\"#front\">To the results</a>\n<main>\n");
    out.append("<h1>").append(Html.escape(title())).append("</h1>\n");
    contents(sections);
    out.append("<div id=\"front\" tabindex=\"-1\">\n");
    machines();
    warnings();
    verdicts();
    out.append("</div>\n");
    if (in.rows().size() > 1) {
      filters();
    }
    sections.forEach(this::section);
    out.append("<footer><p>").append(Html.escape(in.made())).append("</p></footer>\n</main>");
    return new Page("Assay: " + title())
        .style("report.css")
        .data("rows", rows())
        .data("comparisons", comparisons())
        .data("held-out", in.calibration() == null ? List.of() : in.calibration().errors())
        .plots()
        .script("report.js")
        .html(out.toString());
  }

  private String title() {
    return in.rows().isEmpty() && !in.comparisons().isEmpty()
        ? "Precisions compared"
        : "Predicted and measured";
  }

  private void contents(List<Section> sections) {
    out.append("<nav aria-label=\"Sections\" class=\"noprint\"><ul>");
    for (Section s : sections) {
      out.append("<li><a href=\"#").append(s.id()).append("\">").append(Html.escape(s.title()));
      out.append("</a></li>");
    }
    out.append("</ul></nav>\n");
  }

  // ---- front

  private void machines() {
    Map<Environment, String> machines = in.machines();
    Set<String> said = new LinkedHashSet<>();
    machines.forEach((e, name) -> said.add(name + ": " + describe(e)));
    if (said.isEmpty()) {
      in.comparisons().stream()
          .map(Comparison::environment)
          .distinct()
          .forEach(e -> said.add(e.name() + ": " + describe(e)));
    }
    said.forEach(s -> out.append("<p class=\"machine\">").append(Html.escape(s)).append("</p>\n"));
    out.append("<p>").append(Html.escape(what())).append("</p>\n");
  }

  private void verdicts() {
    if (in.rows().isEmpty()) {
      return;
    }
    out.append("<div class=\"cards\">");
    for (Front.Verdict v : Front.of(in.rows())) {
      out.append("<div class=\"card\"><div class=\"k\">")
          .append(Html.escape(v.topic()))
          .append("</div><div class=\"v\">")
          .append(Html.escape(v.verdict()))
          .append("</div><div class=\"s\">")
          .append(Html.escape(v.detail()))
          .append("</div></div>");
    }
    out.append("</div>\n");
  }

  static String describe(Environment e) {
    List<String> parts = new ArrayList<>();
    parts.add(e.device());
    add(parts, "", e.host(), "");
    add(parts, "", e.cores(), " cores");
    add(parts, "", e.threads(), " threads");
    add(parts, "driver ", e.driver(), "");
    add(parts, "CUDA ", e.cuda(), "");
    add(parts, "", e.os(), "");
    add(parts, "Java ", e.java(), "");
    add(parts, "Assay ", e.assay(), e.git() == null ? "" : " (" + e.git() + ")");
    if (e.facts() != null) {
      e.facts().forEach((k, v) -> parts.add(k.replace('_', ' ') + " " + v));
    }
    return String.join(", ", parts);
  }

  private static void add(List<String> parts, String before, @Nullable Object value, String after) {
    if (value != null) {
      parts.add(before + value + after);
    }
  }

  private String what() {
    List<String> parts = new ArrayList<>();
    if (!in.rows().isEmpty()) {
      parts.add(
          "%d rows of %s in %s"
              .formatted(
                  in.rows().size(),
                  String.join(", ", distinct(r -> r.model().name())),
                  String.join(", ", distinct(ResultRow::precision))));
    }
    if (!in.comparisons().isEmpty()) {
      parts.add(in.comparisons().size() + " comparisons");
    }
    if (in.calibration() != null) {
      parts.add("a calibration of " + in.calibration().host());
    }
    if (!in.claims().isEmpty()) {
      parts.add(in.claims().size() + " claims");
    }
    return parts.isEmpty() ? "Nothing to show." : "Here: " + String.join("; ", parts) + ".";
  }

  private List<String> distinct(java.util.function.Function<ResultRow, String> of) {
    return in.rows().stream().map(of).distinct().toList();
  }

  private void warnings() {
    List<Concerns.Concern> all = Concerns.of(in.rows());
    if (all.isEmpty()) {
      return;
    }
    out.append("<section class=\"warn\" aria-label=\"Warnings\">");
    for (Concerns.Concern c : all) {
      out.append("<details><summary>").append(Html.escape(c.what())).append("</summary>");
      // Long lists scroll in their own box, which the keyboard can reach.
      out.append(c.lines().size() > 10 ? "<ul tabindex=\"0\">" : "<ul>");
      c.lines().forEach(l -> out.append("<li>").append(Html.escape(l)).append("</li>"));
      out.append("</ul></details>");
    }
    out.append("</section>\n");
  }

  private static void filter(StringBuilder out, String id, String label) {
    out.append("<label>").append(label).append(" <select id=\"").append(id);
    out.append("\"><option value=\"\">all</option></select></label> ");
  }

  private void filters() {
    out.append("<form id=\"filters\" class=\"noprint\" role=\"search\" onsubmit=\"return false\">");
    filter(out, "filter-machine", "machine");
    filter(out, "filter-model", "model");
    filter(out, "filter-precision", "precision");
    filter(out, "filter-batch", "batch");
    out.append(
        "<label>search <input type=\"search\" id=\"filter-text\" placeholder=\"any word\"></label>"
            + " <output id=\"filter-count\" aria-live=\"polite\"></output></form>\n");
  }

  // ---- sections

  private void section(Section s) {
    out.append("<section aria-labelledby=\"").append(s.id()).append("\"><h2 id=\"").append(s.id());
    out.append("\">").append(Html.escape(s.title())).append("</h2>\n<p class=\"note\">");
    out.append(Html.escape(s.note())).append("</p>\n");
    if (!s.figures().isEmpty()) {
      out.append("<div class=\"plots\">");
      s.figures().forEach(f -> out.append("<figure id=\"").append(f).append("\"></figure>"));
      out.append("</div><noscript><p class=\"note\">The plot needs JavaScript; the tables hold the")
          .append(" same numbers.</p></noscript>\n");
    }
    boolean anchors = s.id().equals("provenance");
    boolean first = true;
    for (Table t : s.tables()) {
      if (first) {
        out.append(Html.table(t, anchors));
      } else if (!t.lines().isEmpty()) {
        out.append("<details><summary>").append(Html.escape(t.caption())).append("</summary>");
        out.append(Html.table(t, false)).append("</details>\n");
      }
      first = false;
    }
    out.append("</section>\n");
  }

  // ---- data of the plots

  private List<Object> rows() {
    Map<Environment, String> machines = in.machines();
    List<Object> all = new ArrayList<>();
    for (int i = 0; i < in.rows().size(); i++) {
      ResultRow r = in.rows().get(i);
      ObjectNode node = ResultJson.mapper().valueToTree(r);
      node.remove(List.of("samples", "operations", "environment", "check", "warnings"));
      node.put("row", i + 1);
      node.put("name", Concerns.name(r));
      node.put("machine", machines.get(r.environment()));
      all.add(node);
    }
    return all;
  }

  private List<Map<String, Object>> comparisons() {
    List<Map<String, Object>> all = new ArrayList<>();
    for (Comparison c : in.comparisons()) {
      Map<String, Object> one = new LinkedHashMap<>();
      one.put("model", c.model().name());
      one.put("variant", c.variant());
      one.put("weights_bytes", c.weightsBytes());
      one.put("kl_mean_nats", c.klMeanNats());
      one.put("top1_agreement", c.top1Agreement());
      all.add(one);
    }
    return all;
  }
}
