package assay.calibrate;

import assay.results.Pace;
import assay.results.ResultRow;
import assay.results.Samples;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * How fast a host was while a row was timed, as shares of what is usual in the rows of its file; 1
 * where it was not probed. A row is predicted for the pace that it had, and one at quite another
 * pace (a neighbour on the same core, threads on two chiplets) is of another machine.
 *
 * @param arithmetic share of the usual rate of multiply-adds
 * @param memory share of the usual bandwidth
 */
record HostPace(double arithmetic, double memory) {
  static final HostPace USUAL = new HostPace(1, 1);

  private static final double ARITHMETIC_BAND = 0.12;
  private static final double MEMORY_BAND = 0.15;

  /**
   * What is usual: medians over the rows.
   *
   * @param flopsPerSecond of the arithmetic's probe; NaN where no row has one
   * @param bytesPerSecond of the memory's
   */
  record Usual(double flopsPerSecond, double bytesPerSecond) {
    static Usual of(List<ResultRow> rows) {
      return new Usual(
          median(rows, Pace::arithmeticFlopsPerSecond), median(rows, Pace::copyBytesPerSecond));
    }

    private static double median(List<ResultRow> rows, ToDoubleFunction<Pace> rate) {
      List<Double> values = new ArrayList<>();
      for (ResultRow r : rows) {
        double own = HostPace.median(r, rate);
        if (!Double.isNaN(own)) {
          values.add(own);
        }
      }
      return HostPace.median(values);
    }
  }

  static HostPace of(ResultRow row, Usual usual) {
    double flops = median(row, Pace::arithmeticFlopsPerSecond);
    double bytes = median(row, Pace::copyBytesPerSecond);
    return Double.isNaN(flops) || Double.isNaN(bytes)
        ? USUAL
        : new HostPace(flops / usual.flopsPerSecond, bytes / usual.bytesPerSecond);
  }

  boolean isUsual() {
    return Math.abs(arithmetic - 1) <= ARITHMETIC_BAND && Math.abs(memory - 1) <= MEMORY_BAND;
  }

  private static double median(ResultRow row, ToDoubleFunction<Pace> rate) {
    Samples s = row.samples();
    @Nullable List<Pace> pace = s == null ? null : s.pace();
    return pace == null ? Double.NaN : median(pace.stream().map(rate::applyAsDouble).toList());
  }

  private static double median(List<Double> values) {
    List<Double> sorted = values.stream().sorted(Comparator.naturalOrder()).toList();
    return sorted.isEmpty() ? Double.NaN : sorted.get(sorted.size() / 2);
  }
}
