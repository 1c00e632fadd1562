package assay.report;

import assay.results.Ceilings;
import assay.results.Measurement;
import assay.results.ResultRow;
import assay.units.Quantity;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Achieved FLOP/s over FLOPs per byte of weights and KV cache, under the ceilings measured in the
 * same run (Williams, Waterman, Patterson 2009). Both axes logarithmic; prefill and decode apart.
 */
final class RooflinePlot {
  private static final int WIDTH = 760;
  private static final int HEIGHT = 420;
  private static final int LEFT = 70;
  private static final int BOTTOM = 46;
  private static final int TOP = 14;
  private static final int RIGHT = 90;

  private record Point(String name, boolean prefill, double intensity, double flopsPerSecond) {}

  private final List<Point> points = new ArrayList<>();
  private final Map<String, Double> peaks = new LinkedHashMap<>();
  private double bandwidth;
  private double fromX = 0.1;
  private double toX = 1;
  private double fromY = 1e9;
  private double toY = 1e9;

  private RooflinePlot() {}

  /** The plot, or a sentence where nothing can be plotted. */
  static String svg(List<ResultRow> rows) {
    RooflinePlot plot = new RooflinePlot();
    rows.forEach(plot::add);
    if (plot.points.isEmpty() || plot.bandwidth == 0) {
      return "<p class=\"note\">Nothing measured to plot.</p>\n";
    }
    return plot.draw();
  }

  private void add(ResultRow r) {
    Measurement m = r.measured();
    Ceilings c = r.ceilings();
    if (m == null || c == null) {
      return;
    }
    add(r, true, m.prefillFlops(), m.prefillBytesRead(), 1, m.prefillFlopsPerSecond());
    add(
        r,
        false,
        m.decodeFlopsPerToken(),
        m.decodeBytesReadPerPass(),
        r.workload().batch(),
        m.decodeFlopsPerSecond());
    if (c.copyBytesPerSecond() != null) {
      bandwidth = Math.max(bandwidth, c.copyBytesPerSecond());
    }
    if (c.peakFlopsPerSecond() != null) {
      peaks.merge(r.precision(), c.peakFlopsPerSecond(), Math::max);
    }
  }

  private void add(
      ResultRow r,
      boolean prefill,
      @Nullable Long flops,
      @Nullable Long bytes,
      int times,
      @Nullable Double rate) {
    if (flops != null && bytes != null && bytes > 0 && rate != null) {
      String name = r.model().name() + " " + r.precision() + (prefill ? " prefill" : " decode");
      points.add(new Point(name, prefill, (double) flops * times / bytes, rate));
    }
  }

  private String draw() {
    double highest = peaks.values().stream().mapToDouble(Double::doubleValue).max().orElse(1);
    for (Point p : points) {
      fromX = Math.min(fromX, p.intensity);
      toX = Math.max(toX, p.intensity);
      highest = Math.max(highest, p.flopsPerSecond);
    }
    double lowest = points.stream().mapToDouble(Point::flopsPerSecond).min().orElse(1);
    fromX = decade(fromX, false);
    toX = decade(Math.max(toX, highest / bandwidth), true);
    fromY = decade(Math.min(lowest, bandwidth * fromX), false);
    toY = decade(highest, true);
    StringBuilder out = new StringBuilder();
    out.append(
        "<svg class=\"plot\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\""
            .formatted(WIDTH, HEIGHT, WIDTH, HEIGHT));
    out.append(" aria-label=\"Roofline: achieved FLOP/s over FLOPs per byte\">\n");
    grid(out);
    roofs(out);
    for (Point p : points) {
      out.append(
          "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"4.5\"><title>%s: %s at %s FLOP per byte</title></circle>%n"
              .formatted(
                  p.prefill ? "prefill" : "decode",
                  x(p.intensity),
                  y(p.flopsPerSecond),
                  Html.escape(p.name),
                  Quantity.format(p.flopsPerSecond, "FLOP/s"),
                  Quantity.digits(p.intensity)));
    }
    out.append("</svg>\n<p class=\"note\">");
    out.append("Circles in the measured colour are prefills, in the predicted colour decodes. ");
    out.append("A decode above the slanted line read its weights from a cache.</p>\n");
    return out.toString();
  }

  private void grid(StringBuilder out) {
    for (double v = fromX; v <= toX * 1.001; v *= 10) {
      line(out, "grid", x(v), y(fromY), x(v), y(toY));
      text(out, x(v), HEIGHT - BOTTOM + 16, "middle", Quantity.digits(v));
    }
    for (double v = fromY; v <= toY * 1.001; v *= 10) {
      line(out, "grid", x(fromX), y(v), x(toX), y(v));
      text(out, LEFT - 6, y(v) + 4, "end", Quantity.format(v, ""));
    }
    text(
        out,
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 8,
        "middle",
        "FLOPs per byte of weights and KV cache");
    text(out, 4, 10, "start", "FLOP/s");
  }

  private void roofs(StringBuilder out) {
    double highest = peaks.values().stream().mapToDouble(Double::doubleValue).max().orElse(toY);
    double knee = Math.min(toX, highest / bandwidth);
    line(out, "roof", x(fromX), y(bandwidth * fromX), x(knee), y(bandwidth * knee));
    text(
        out,
        x(fromX) + 8,
        y(bandwidth * fromX * 1.6) - 6,
        "start",
        Quantity.format(bandwidth, "B/s"));
    peaks.forEach(
        (precision, peak) -> {
          double from = Math.clamp(peak / bandwidth, fromX, toX);
          line(out, "roof", x(from), y(peak), x(toX), y(peak));
          text(out, x(toX) + 4, y(peak) + 4, "start", precision);
        });
  }

  private static void line(
      StringBuilder out, String kind, double x1, double y1, double x2, double y2) {
    out.append(
        "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>%n"
            .formatted(kind, x1, y1, x2, y2));
  }

  private static void text(StringBuilder out, double x, double y, String anchor, String text) {
    out.append(
        "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>%n"
            .formatted(x, y, anchor, Html.escape(text)));
  }

  private static double decade(double v, boolean up) {
    double e = Math.log10(v);
    return Math.pow(10, up ? Math.ceil(e) : Math.floor(e));
  }

  private double x(double v) {
    double share = Math.log10(v / fromX) / Math.log10(toX / fromX);
    return LEFT + share * (WIDTH - LEFT - RIGHT);
  }

  private double y(double v) {
    double share = Math.log10(v / fromY) / Math.log10(toY / fromY);
    return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP);
  }
}
