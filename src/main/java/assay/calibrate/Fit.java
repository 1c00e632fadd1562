package assay.calibrate;

import assay.estimate.Coefficient;
import assay.estimate.Constant;
import assay.estimate.Constants;
import assay.estimate.Device;
import assay.estimate.Roofline;
import assay.model.Precision;
import java.util.ArrayList;
import java.util.List;
import org.apache.commons.math3.exception.MathIllegalStateException;
import org.apache.commons.math3.fitting.leastsquares.LeastSquaresBuilder;
import org.apache.commons.math3.fitting.leastsquares.LevenbergMarquardtOptimizer;
import org.apache.commons.math3.linear.Array2DRowRealMatrix;
import org.apache.commons.math3.linear.ArrayRealVector;
import org.apache.commons.math3.linear.LUDecomposition;
import org.apache.commons.math3.linear.RealMatrix;
import org.apache.commons.math3.linear.SingularMatrixException;
import org.apache.commons.math3.util.Pair;

/**
 * Constants of one precision from its rows: Levenberg–Marquardt (commons-math) on log(predicted /
 * measured) of prefill and decode. Each constant is free between its physical bounds (a logistic
 * map of its logarithm); residuals beyond {@link #HUBER} count by their size and not its square
 * (Huber 1964, by reweighting); a weak pull to the default decides what the data leave open.
 */
final class Fit {
  /** Residual, as a relative error, from which on a row counts as an outlier. */
  private static final double HUBER = 0.10;

  /** Weight of the pull: one row's 1 % for a constant wrong by a factor e. */
  private static final double PULL = 0.01;

  /** A constant whose logarithm the rows leave open by more than this is not determined. */
  private static final double OPEN = 0.7;

  private static final double SMALLEST_SECONDS = 1e-9;
  private static final double SMALLEST_ROWS = 0.1;
  private static final double STEP = 1e-5;
  private static final double TOLERANCE = 1e-7;

  /** Small first steps: a bound that overshoots hides behind the other side of the roofline. */
  private static final double FIRST_STEP = 0.1;

  private static final List<Coefficient> FREE =
      List.of(
          Coefficient.MATMUL_EFFICIENCY,
          Coefficient.MATMUL_HALF_ROWS,
          Coefficient.MATVEC_EFFICIENCY,
          Coefficient.WEIGHT_BANDWIDTH_EFFICIENCY,
          Coefficient.ATTENTION_EFFICIENCY,
          Coefficient.ATTENTION_BANDWIDTH_EFFICIENCY,
          Coefficient.ELEMENTWISE_BANDWIDTH_EFFICIENCY,
          Coefficient.LAUNCH_SECONDS,
          Coefficient.PASS_SECONDS);

  private final Device device;
  private final Constants start;
  private final Precision precision;
  private final List<Observation> rows;
  private final List<Coefficient> free;

  private Fit(
      Device device,
      Constants start,
      Precision precision,
      List<Observation> rows,
      List<Coefficient> free) {
    this.device = device;
    this.start = start;
    this.precision = precision;
    this.rows = rows;
    this.free = free;
  }

  /**
   * Fits.
   *
   * @param fitted constants that the rows determine
   * @param open constants that they do not, which keep their defaults
   */
  record Result(List<Constant> fitted, List<Coefficient> open) {}

  /** Fits all constants of a precision; those that the rows leave open keep their start. */
  static Result of(Device device, Constants start, Precision precision, List<Observation> rows) {
    List<Coefficient> determined = new ArrayList<>(FREE);
    double[] u = new Fit(device, start, precision, rows, FREE).solve();
    // One at a time, the least determined first: of two that only their sum determines, one stays.
    while (!determined.isEmpty()) {
      double[] deviations = new Fit(device, start, precision, rows, determined).deviations(u);
      int worst = 0;
      for (int i = 1; i < deviations.length; i++) {
        worst = deviations[i] > deviations[worst] ? i : worst;
      }
      if (deviations[worst] < OPEN) {
        break;
      }
      determined.remove(worst);
      u = new Fit(device, start, precision, rows, determined).solve();
    }
    List<Coefficient> open = FREE.stream().filter(c -> !determined.contains(c)).toList();
    if (determined.isEmpty()) {
      return new Result(List.of(), open);
    }
    Fit last = new Fit(device, start, precision, rows, determined);
    return new Result(last.constants(u), open);
  }

  // ---- parameters: u in all of R, the constant between its bounds

  private static double low(Coefficient c) {
    return switch (c) {
      case LAUNCH_SECONDS, PASS_SECONDS -> SMALLEST_SECONDS;
      case MATMUL_HALF_ROWS -> SMALLEST_ROWS;
      default -> c.lowest();
    };
  }

  private static double value(Coefficient c, double u) {
    double share = 1 / (1 + Math.exp(-u));
    return low(c) * Math.pow(c.highest() / low(c), share);
  }

  private static double inverse(Coefficient c, double value) {
    double clamped = Math.clamp(value, low(c) * 3, c.highest() * 0.9);
    double share = Math.log(clamped / low(c)) / Math.log(c.highest() / low(c));
    return Math.log(share / (1 - share));
  }

  private double[] startPoint() {
    return free.stream().mapToDouble(c -> inverse(c, start.value(c, precision))).toArray();
  }

  private Constants at(double[] u) {
    List<Constant> replaced = new ArrayList<>();
    for (int i = 0; i < free.size(); i++) {
      replaced.add(constant(i, value(free.get(i), u[i]), null));
    }
    return start.with("fit", replaced);
  }

  private Constant constant(
      int i, double value, Constant.@org.jspecify.annotations.Nullable Interval interval) {
    return new Constant(
        free.get(i),
        precision.label(),
        value,
        Constant.Origin.CALIBRATED,
        "fitted to %d rows of %s".formatted(rows.size(), device.name()),
        interval);
  }

  // ---- residuals

  private double[] residuals(double[] u) {
    Constants constants = at(u);
    Roofline roofline = Roofline.of(device, precision, constants);
    if (roofline == null) {
      throw new IllegalStateException("no roofline of " + device.name());
    }
    double[] out = new double[2 * rows.size()];
    for (int i = 0; i < rows.size(); i++) {
      Observation o = rows.get(i);
      out[2 * i] = residual(roofline.seconds(o.prefill()), o.prefillSeconds());
      out[2 * i + 1] =
          o.decode() == null ? 0 : residual(roofline.seconds(o.decode()), o.decodeSeconds());
    }
    return out;
  }

  private static double residual(double predicted, double measured) {
    return Double.isNaN(measured) ? 0 : Math.log(predicted / measured);
  }

  private double[] solve() {
    double[] u = startPoint();
    double[] weights = new double[2 * rows.size()];
    java.util.Arrays.fill(weights, 1);
    for (int round = 0; round < 3; round++) {
      u = solve(u, weights);
      double[] r = residuals(u);
      for (int i = 0; i < r.length; i++) {
        weights[i] = Math.min(1, Math.sqrt(HUBER / Math.max(HUBER, Math.abs(r[i]))));
      }
    }
    return u;
  }

  private double[] solve(double[] from, double[] weights) {
    if (from.length == 0) {
      return from;
    }
    double[] prior = startPoint();
    int n = weights.length;
    // The optimiser may stop at a kink of the roofline with an exception: what it had found counts.
    double[][] best = {from};
    double[] least = {squares(weighted(from, weights, prior))};
    LeastSquaresBuilder problem =
        new LeastSquaresBuilder()
            .start(from)
            .target(new double[n + free.size()])
            .maxEvaluations(60)
            .maxIterations(60)
            .model(
                point -> {
                  double[] u = point.toArray();
                  double[] r = weighted(u, weights, prior);
                  if (squares(r) < least[0]) {
                    least[0] = squares(r);
                    best[0] = u.clone();
                  }
                  return new Pair<>(new ArrayRealVector(r, false), jacobian(u, weights, prior));
                });
    try {
      new LevenbergMarquardtOptimizer()
          .withInitialStepBoundFactor(FIRST_STEP)
          .withCostRelativeTolerance(TOLERANCE)
          .withParameterRelativeTolerance(TOLERANCE)
          .optimize(problem.build());
    } catch (MathIllegalStateException e) {
      return best[0];
    }
    return best[0];
  }

  private static double squares(double[] r) {
    double sum = 0;
    for (double x : r) {
      sum += x * x;
    }
    return sum;
  }

  private double[] weighted(double[] u, double[] weights, double[] prior) {
    double[] r = residuals(u);
    double[] out = new double[r.length + u.length];
    for (int i = 0; i < r.length; i++) {
      out[i] = r[i] * weights[i];
    }
    for (int i = 0; i < u.length; i++) {
      Coefficient c = free.get(i);
      out[r.length + i] = PULL * Math.log(value(c, u[i]) / value(c, prior[i]));
    }
    return out;
  }

  private RealMatrix jacobian(double[] u, double[] weights, double[] prior) {
    int n = weights.length + u.length;
    double[][] out = new double[n][u.length];
    for (int k = 0; k < u.length; k++) {
      double[] up = u.clone();
      double[] down = u.clone();
      up[k] += STEP;
      down[k] -= STEP;
      double[] a = weighted(up, weights, prior);
      double[] b = weighted(down, weights, prior);
      for (int i = 0; i < n; i++) {
        out[i][k] = (a[i] - b[i]) / (2 * STEP);
      }
    }
    return new Array2DRowRealMatrix(out, false);
  }

  // ---- what the rows say of each constant

  /**
   * Standard deviation of each constant's logarithm from the rows and their scatter (at least 1 %);
   * 1 or more where they say nothing.
   */
  private double[] deviations(double[] u) {
    int p = u.length;
    double[] r = residuals(u);
    double[][] j = new double[r.length][p];
    for (int k = 0; k < p; k++) {
      double[] up = u.clone();
      double[] down = u.clone();
      up[k] += STEP;
      down[k] -= STEP;
      double[] a = residuals(up);
      double[] b = residuals(down);
      Coefficient c = free.get(k);
      double change = Math.log(value(c, up[k]) / value(c, down[k]));
      for (int i = 0; i < r.length; i++) {
        j[i][k] = (a[i] - b[i]) / change;
      }
    }
    long used = java.util.Arrays.stream(r).filter(x -> x != 0).count();
    // Outliers are not scatter: each counts as far as the robust fit lets it.
    double sum = 0;
    for (double x : r) {
      sum += Math.min(x * x, HUBER * Math.abs(x));
    }
    double scatter = Math.max(0.01, Math.sqrt(sum / Math.max(1, used - p)));
    RealMatrix m = new Array2DRowRealMatrix(j, false);
    RealMatrix information = m.transpose().multiply(m);
    for (int k = 0; k < p; k++) {
      information.addToEntry(k, k, PULL * PULL);
    }
    double[] out = new double[p];
    try {
      RealMatrix covariance = new LUDecomposition(information).getSolver().getInverse();
      for (int k = 0; k < p; k++) {
        out[k] = scatter * Math.sqrt(Math.max(0, covariance.getEntry(k, k)));
      }
    } catch (SingularMatrixException e) {
      java.util.Arrays.fill(out, Double.POSITIVE_INFINITY);
    }
    return out;
  }

  private List<Constant> constants(double[] u) {
    double[] deviations = deviations(u);
    List<Constant> out = new ArrayList<>();
    for (int i = 0; i < free.size(); i++) {
      double v = value(free.get(i), u[i]);
      double factor = Math.exp(1.96 * deviations[i]);
      out.add(constant(i, v, new Constant.Interval(v / factor, v * factor, 0.95)));
    }
    return out;
  }
}
