package assay.calibrate;

import assay.estimate.Coefficient;
import assay.estimate.Constant;
import assay.estimate.Constants;
import assay.estimate.Device;
import assay.estimate.Roofline;
import assay.model.Precision;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.commons.math3.exception.MathIllegalStateException;
import org.apache.commons.math3.fitting.leastsquares.LeastSquaresBuilder;
import org.apache.commons.math3.fitting.leastsquares.LevenbergMarquardtOptimizer;
import org.apache.commons.math3.linear.Array2DRowRealMatrix;
import org.apache.commons.math3.linear.ArrayRealVector;
import org.apache.commons.math3.linear.LUDecomposition;
import org.apache.commons.math3.linear.RealMatrix;
import org.apache.commons.math3.linear.SingularMatrixException;
import org.apache.commons.math3.util.Pair;
import org.jspecify.annotations.Nullable;

/**
 * Constants from rows: Levenberg–Marquardt (commons-math) on log(predicted / measured) of prefill
 * and decode, all precisions at once, since some constants belong to the device and not to a
 * precision. Each constant is free between its physical bounds (a logistic map of its logarithm); a
 * row counts the less the more its runs were scattered; residuals beyond {@link #HUBER} count by
 * their size and not its square (Huber 1964, by reweighting); a weak pull to the default decides
 * what the data leave open.
 */
final class Fit {
  /** Residual, as a relative error, from which on a row counts as an outlier. */
  private static final double HUBER = 0.10;

  /** Weight of the pull: one row's 1 % for a constant wrong by a factor e. */
  private static final double PULL = 0.01;

  /** A constant whose logarithm the rows leave open by more than this is not determined. */
  private static final double OPEN = 0.7;

  /** Change of a constant's logarithm with its parameter below which it lies at a bound. */
  private static final double AT_BOUND = 1e-3;

  private static final double SMALLEST_SECONDS = 1e-9;
  private static final double SMALLEST_ROWS = 0.1;
  private static final double STEP = 1e-5;
  private static final double TOLERANCE = 1e-6;
  private static final int MOST_EVALUATIONS = 60;
  private static final int REWEIGHTINGS = 3;

  /** Small first steps: a bound that overshoots hides behind the other side of the roofline. */
  private static final double FIRST_STEP = 0.1;

  /** Of the device, whatever the precision. */
  private static final List<Coefficient> COMMON =
      List.of(
          Coefficient.ELEMENTWISE_BANDWIDTH_EFFICIENCY,
          Coefficient.CACHE_SHARE,
          Coefficient.CACHE_BANDWIDTH_EFFICIENCY,
          Coefficient.LAUNCH_SECONDS,
          Coefficient.SMALL_LAUNCH_SECONDS,
          Coefficient.PASS_SECONDS);

  /** Of each precision's own kernels, and of the type that its keys are stored in. */
  private static final List<Coefficient> OWN =
      List.of(
          Coefficient.MATMUL_EFFICIENCY,
          Coefficient.MATMUL_HALF_ROWS,
          Coefficient.MATVEC_EFFICIENCY,
          Coefficient.WEIGHT_BANDWIDTH_EFFICIENCY,
          Coefficient.ATTENTION_BANDWIDTH_EFFICIENCY);

  /** Of the arithmetic that attention uses: where all precisions use one, of the device. */
  private static final List<Coefficient> ATTENTION =
      List.of(Coefficient.ATTENTION_EFFICIENCY, Coefficient.DECODE_ATTENTION_EFFICIENCY);

  /** One free constant; a null precision stands for all. */
  private record Parameter(Coefficient coefficient, @Nullable Precision precision) {
    double start(Constants constants) {
      return precision == null
          ? constants.common(coefficient).value()
          : constants.value(coefficient, precision);
    }

    String key() {
      return Constant.key(coefficient, scope());
    }

    String scope() {
      return precision == null ? Constant.ALL : precision.label();
    }

    boolean concerns(Precision p) {
      return precision == null || precision == p;
    }
  }

  private final Device device;
  private final Constants start;
  private final List<Observation> rows;
  private final List<Parameter> free;

  private Fit(Device device, Constants start, List<Observation> rows, List<Parameter> free) {
    this.device = device;
    this.start = start;
    this.rows = rows;
    this.free = free;
  }

  /**
   * Outcome.
   *
   * @param fitted constants that the rows determine
   * @param open keys of those that they do not, which keep their defaults
   */
  record Result(List<Constant> fitted, List<String> open) {}

  /** Fits all constants; those that the rows leave open keep their start. */
  static Result of(Device device, Constants start, List<Observation> rows) {
    List<Parameter> all = parameters(device, rows);
    List<Parameter> determined = new ArrayList<>(all);
    Fit first = new Fit(device, start, rows, all);
    double[] u = first.solve(first.startPoint());
    while (!determined.isEmpty()) {
      double[] deviations = new Fit(device, start, rows, determined).deviations(u);
      List<Parameter> out = leastDetermined(determined, deviations);
      if (out.isEmpty()) {
        break;
      }
      u = without(u, determined, out);
      determined.removeAll(out);
      u = new Fit(device, start, rows, determined).solve(u);
    }
    List<String> open =
        all.stream().filter(p -> !determined.contains(p)).map(Parameter::key).toList();
    return determined.isEmpty()
        ? new Result(List.of(), open)
        : new Result(new Fit(device, start, rows, determined).constants(u), open);
  }

  private static double[] without(double[] u, List<Parameter> of, List<Parameter> out) {
    return IntStream.range(0, u.length)
        .filter(i -> !out.contains(of.get(i)))
        .mapToDouble(i -> u[i])
        .toArray();
  }

  private static List<Parameter> parameters(Device device, List<Observation> rows) {
    List<Parameter> out = new ArrayList<>();
    COMMON.forEach(c -> out.add(new Parameter(c, null)));
    List<Precision> precisions =
        rows.stream().map(Observation::precision).distinct().sorted().toList();
    boolean oneAttention =
        precisions.stream().map(device.kind()::attentionArithmetic).distinct().count() == 1;
    if (oneAttention) {
      ATTENTION.forEach(c -> out.add(new Parameter(c, null)));
    }
    for (Precision p : precisions) {
      OWN.forEach(c -> out.add(new Parameter(c, p)));
      if (!oneAttention) {
        ATTENTION.forEach(c -> out.add(new Parameter(c, p)));
      }
    }
    return out;
  }

  /**
   * The least determined of each precision and of all: of two that only their sum determines, one
   * stays.
   */
  private static List<Parameter> leastDetermined(List<Parameter> of, double[] deviations) {
    List<Parameter> out = new ArrayList<>();
    for (String scope : of.stream().map(Parameter::scope).distinct().toList()) {
      int worst = -1;
      for (int i = 0; i < deviations.length; i++) {
        boolean open = of.get(i).scope().equals(scope) && !(deviations[i] < OPEN);
        worst = open && (worst < 0 || deviations[i] > deviations[worst]) ? i : worst;
      }
      if (worst >= 0) {
        out.add(of.get(worst));
      }
    }
    return out;
  }

  // ---- parameters: u in all of R, the constant between its bounds

  private static double low(Coefficient c) {
    return switch (c) {
      case LAUNCH_SECONDS, SMALL_LAUNCH_SECONDS, PASS_SECONDS -> SMALLEST_SECONDS;
      case MATMUL_HALF_ROWS -> SMALLEST_ROWS;
      default -> c.lowest();
    };
  }

  private static double value(Coefficient c, double u) {
    double share = 1 / (1 + Math.exp(-u));
    return low(c) * Math.pow(c.highest() / low(c), share);
  }

  private static double inverse(Coefficient c, double value) {
    double clamped = Math.clamp(value, low(c) * 1.1, c.highest() * 0.9);
    double share = Math.log(clamped / low(c)) / Math.log(c.highest() / low(c));
    return Math.log(share / (1 - share));
  }

  private double[] startPoint() {
    return free.stream().mapToDouble(p -> inverse(p.coefficient(), p.start(start))).toArray();
  }

  private Constants at(double[] u) {
    List<Constant> replaced = new ArrayList<>();
    for (int i = 0; i < free.size(); i++) {
      replaced.add(constant(i, value(free.get(i).coefficient(), u[i]), null));
    }
    return start.with("fit", replaced);
  }

  private Constant constant(int i, double value, Constant.@Nullable Interval interval) {
    Parameter p = free.get(i);
    long n = rows.stream().filter(o -> p.concerns(o.precision())).count();
    return new Constant(
        p.coefficient(),
        p.scope(),
        value,
        Constant.Origin.CALIBRATED,
        "fitted to %d rows of %s".formatted(n, device.name()),
        interval);
  }

  // ---- residuals: two for each row

  /** Residuals of the rows that a precision's constants concern, all for null; others stay. */
  private void residuals(double[] u, @Nullable Precision only, double[] out) {
    Constants constants = at(u);
    Map<Precision, Roofline> rooflines = new EnumMap<>(Precision.class);
    for (int i = 0; i < rows.size(); i++) {
      Observation o = rows.get(i);
      Precision p = o.precision();
      if (only != null && only != p) {
        continue;
      }
      Roofline r = rooflines.get(p);
      if (r == null) {
        r = Roofline.of(device, p, constants);
        if (r == null) {
          throw new IllegalStateException("no roofline of " + device.name());
        }
        rooflines.put(p, r);
      }
      out[2 * i] = residual(o.prefillSeconds(r), o.prefillSeconds());
      out[2 * i + 1] = o.decode() == null ? 0 : residual(o.decodeSeconds(r), o.decodeSeconds());
    }
  }

  private double[] residuals(double[] u) {
    double[] out = new double[2 * rows.size()];
    residuals(u, null, out);
    return out;
  }

  private static double residual(double predicted, double measured) {
    return Double.isNaN(measured) ? 0 : Math.log(predicted / measured);
  }

  /** How much each residual counts by the scatter of the runs behind it. */
  private double[] certainties() {
    double[] out = new double[2 * rows.size()];
    for (int i = 0; i < rows.size(); i++) {
      out[2 * i] = rows.get(i).prefillCertainty();
      out[2 * i + 1] = rows.get(i).decodeCertainty();
    }
    return out;
  }

  /** Derivatives of all residuals by each parameter, by central differences. */
  private double[][] derivatives(double[] u) {
    double[][] out = new double[2 * rows.size()][u.length];
    double[] a = new double[2 * rows.size()];
    double[] b = new double[2 * rows.size()];
    for (int k = 0; k < u.length; k++) {
      Arrays.fill(a, 0);
      Arrays.fill(b, 0);
      double[] moved = u.clone();
      moved[k] += STEP;
      residuals(moved, free.get(k).precision(), a);
      moved[k] -= 2 * STEP;
      residuals(moved, free.get(k).precision(), b);
      for (int i = 0; i < a.length; i++) {
        out[i][k] = (a[i] - b[i]) / (2 * STEP);
      }
    }
    return out;
  }

  private double[] solve(double[] from) {
    double[] u = from;
    double[] certainties = certainties();
    double[] weights = certainties.clone();
    for (int round = 0; round < REWEIGHTINGS; round++) {
      u = solve(u, weights);
      double[] r = residuals(u);
      for (int i = 0; i < r.length; i++) {
        double robust = Math.sqrt(HUBER / Math.max(HUBER, Math.abs(r[i])));
        weights[i] = certainties[i] * robust;
      }
    }
    return u;
  }

  private double[] solve(double[] from, double[] weights) {
    if (from.length == 0) {
      return from;
    }
    double[] prior = startPoint();
    // The optimiser may stop at a kink of the roofline with an exception: what it had found counts.
    double[][] best = {from};
    double[] least = {squares(weighted(from, weights, prior))};
    LeastSquaresBuilder problem =
        new LeastSquaresBuilder()
            .start(from)
            .target(new double[weights.length + free.size()])
            .maxEvaluations(MOST_EVALUATIONS)
            .maxIterations(MOST_EVALUATIONS)
            .model(
                point -> {
                  double[] u = point.toArray();
                  double[] r = weighted(u, weights, prior);
                  if (squares(r) < least[0]) {
                    least[0] = squares(r);
                    best[0] = u.clone();
                  }
                  return new Pair<>(new ArrayRealVector(r, false), jacobian(u, weights));
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
      Coefficient c = free.get(i).coefficient();
      out[r.length + i] = PULL * Math.log(value(c, u[i]) / value(c, prior[i]));
    }
    return out;
  }

  private RealMatrix jacobian(double[] u, double[] weights) {
    double[][] d = derivatives(u);
    double[][] out = Arrays.copyOf(d, d.length + u.length);
    for (int i = 0; i < d.length; i++) {
      for (int k = 0; k < u.length; k++) {
        out[i][k] *= weights[i];
      }
    }
    for (int k = 0; k < u.length; k++) {
      out[d.length + k] = new double[u.length];
      out[d.length + k][k] = PULL * logSlope(k, u[k]);
    }
    return new Array2DRowRealMatrix(out, false);
  }

  /** Change of the constant's logarithm with u. */
  private double logSlope(int k, double u) {
    Coefficient c = free.get(k).coefficient();
    return Math.log(value(c, u + STEP) / value(c, u - STEP)) / (2 * STEP);
  }

  // ---- what the rows say of each constant

  /**
   * Standard deviation of each constant's logarithm from the rows and their scatter (at least 1 %);
   * large where they say nothing.
   */
  private double[] deviations(double[] u) {
    int p = u.length;
    double[] r = residuals(u);
    double[] certainty = certainties();
    double[][] j = derivatives(u);
    double[] slopes = new double[p];
    for (int k = 0; k < p; k++) {
      slopes[k] = logSlope(k, u[k]);
    }
    for (int i = 0; i < j.length; i++) {
      for (int k = 0; k < p; k++) {
        // At a bound the constant no longer moves: the rows then say nothing of it.
        j[i][k] = slopes[k] > AT_BOUND ? j[i][k] * certainty[i] / slopes[k] : 0;
      }
    }
    long used = Arrays.stream(r).filter(x -> x != 0).count();
    // Outliers are not scatter: each counts as far as the robust fit lets it.
    double sum = 0;
    for (int i = 0; i < r.length; i++) {
      double x = certainty[i] * Math.abs(r[i]);
      sum += Math.min(x * x, HUBER * x);
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
      Arrays.fill(out, Double.POSITIVE_INFINITY);
    }
    return out;
  }

  private List<Constant> constants(double[] u) {
    double[] deviations = deviations(u);
    List<Constant> out = new ArrayList<>();
    for (int i = 0; i < free.size(); i++) {
      double v = value(free.get(i).coefficient(), u[i]);
      double factor = Math.exp(1.96 * deviations[i]);
      out.add(constant(i, v, new Constant.Interval(v / factor, v * factor, 0.95)));
    }
    return out;
  }
}
