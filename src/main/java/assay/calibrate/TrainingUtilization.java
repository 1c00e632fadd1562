package assay.calibrate;

import assay.estimate.Coefficient;
import assay.estimate.Constant;
import assay.model.Precision;
import assay.results.Experiment;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Predicate;
import org.apache.commons.math3.distribution.TDistribution;
import org.apache.commons.math3.fitting.leastsquares.LeastSquaresBuilder;
import org.apache.commons.math3.fitting.leastsquares.LevenbergMarquardtOptimizer;
import org.apache.commons.math3.linear.Array2DRowRealMatrix;
import org.apache.commons.math3.linear.ArrayRealVector;
import org.apache.commons.math3.linear.RealMatrix;
import org.apache.commons.math3.linear.RealVector;
import org.apache.commons.math3.util.Pair;
import org.jspecify.annotations.Nullable;

/**
 * Share of the peak that training steps reach, from timed steps: u(n) = largest · n / (n +
 * halfTokens), n the tokens of a step, work done again counted as work. What a step does once
 * whatever its tokens (the update of all weights) makes small steps slow; that is the half.
 *
 * @param precision of the arithmetic
 * @param largest u of a step of very many tokens
 * @param halfTokens tokens at which half of it is reached
 * @param largestInterval by the jackknife; null with fewer than three steps
 * @param halfInterval the same
 * @param points steps that were fitted
 * @param errorOfRule mean |predicted / measured − 1| of their times with the rule's 0.425
 * @param heldOutError the same, each step predicted from the others; null with fewer than three
 * @param largestHeldOutError the largest of those
 */
public record TrainingUtilization(
    String precision,
    double largest,
    double halfTokens,
    Constant.@Nullable Interval largestInterval,
    Constant.@Nullable Interval halfInterval,
    int points,
    double errorOfRule,
    @Nullable Double heldOutError,
    @Nullable Double largestHeldOutError) {
  /** The middle of claim C5's band. */
  private static final double RULE = 0.425;

  /** Experiments whose points are timed training steps. */
  private static final Set<String> IDS = Set.of("training", "train");

  private static final int FEWEST = 3;
  private static final double LEVEL = 0.95;
  private static final int ITERATIONS = 200;

  /** Relative error from which on a step weighs less (Huber's loss). */
  private static final double HUBER = 0.1;

  /**
   * One timed step.
   *
   * @param flops everything that it did, work done again included
   * @param tokens of the step
   * @param peak FLOP/s of a large product
   */
  public record Step(String label, double flops, double tokens, double seconds, double peak) {
    double utilisation() {
      return flops / (seconds * peak);
    }

    /** Its predicted time. */
    double secondsWith(double[] largestAndHalf) {
      return flops / (peak * largestAndHalf[0] * tokens / (tokens + largestAndHalf[1]));
    }
  }

  /** The share that a step of so many tokens reaches. */
  public double at(double tokens) {
    return largest * tokens / (tokens + halfTokens);
  }

  /** All timed fp32 steps in these experiments, on the device that is asked for. */
  public static List<Step> steps(List<Experiment> experiments, Predicate<Experiment> wanted) {
    List<Step> out = new ArrayList<>();
    for (Experiment e : experiments) {
      Double peak = e.values().get("peak_flops_per_second");
      if (IDS.contains(e.experiment()) && peak != null && peak > 0 && wanted.test(e)) {
        for (Experiment.Point p : e.points()) {
          Step s = step(p, peak);
          if (s != null) {
            out.add(s);
          }
        }
      }
    }
    return out;
  }

  private static @Nullable Step step(Experiment.Point p, double peak) {
    double flops = positive(p, "flops");
    double tokens = positive(p, "batch") * positive(p, "tokens");
    double seconds = positive(p, "seconds");
    boolean fp32 = p.values().getOrDefault("element_bytes", 4.0) == 4;
    return fp32 && flops * tokens * seconds > 0
        ? new Step(p.label(), flops, tokens, seconds, peak)
        : null;
  }

  /** 0 where it is missing or no positive number. */
  private static double positive(Experiment.Point p, String name) {
    return Math.max(0, p.values().getOrDefault(name, 0.0));
  }

  /**
   * Fits; null without a step. With fewer than three, or none that differs in tokens, one share is
   * all that can be told.
   */
  public static @Nullable TrainingUtilization fit(List<Step> steps) {
    if (steps.isEmpty()) {
      return null;
    }
    double[] all = parameters(steps);
    double rule =
        steps.stream()
            .mapToDouble(s -> Math.abs(s.flops / (s.peak * RULE) / s.seconds - 1))
            .average()
            .orElseThrow();
    String precision = Precision.FP32.label();
    if (steps.size() < FEWEST) {
      return new TrainingUtilization(
          precision, all[0], all[1], null, null, steps.size(), rule, null, null);
    }
    double mean = 0;
    double worst = 0;
    List<double[]> leftOut = new ArrayList<>();
    for (int i = 0; i < steps.size(); i++) {
      Step s = steps.get(i);
      double[] others = parameters(without(steps, i));
      double e = Math.abs(s.secondsWith(others) / s.seconds - 1);
      mean += e / steps.size();
      worst = Math.max(worst, e);
      leftOut.add(others);
    }
    return new TrainingUtilization(
        precision,
        all[0],
        all[1],
        interval(leftOut, 0, all[0], Coefficient.TRAINING_UTILIZATION),
        interval(leftOut, 1, all[1], Coefficient.TRAINING_HALF_TOKENS),
        steps.size(),
        rule,
        mean,
        worst);
  }

  /** Tukey 1958: the spread of the fits that leave one step out, within the physical bounds. */
  private static Constant.Interval interval(
      List<double[]> leftOut, int i, double value, Coefficient c) {
    int n = leftOut.size();
    double mean = leftOut.stream().mapToDouble(p -> p[i]).average().orElseThrow();
    double squares = leftOut.stream().mapToDouble(p -> (p[i] - mean) * (p[i] - mean)).sum();
    double t = new TDistribution(n - 1).inverseCumulativeProbability((1 + LEVEL) / 2);
    double half = t * Math.sqrt((n - 1.0) / n * squares);
    return new Constant.Interval(
        bounded(value - half, c.lowest(), value), bounded(value + half, value, c.highest()), LEVEL);
  }

  /** The time of step {@code i} as predicted from the others. */
  public static double heldOutSeconds(List<Step> steps, int i) {
    return steps.get(i).secondsWith(parameters(without(steps, i)));
  }

  private static List<Step> without(List<Step> steps, int i) {
    List<Step> others = new ArrayList<>(steps);
    others.remove(i);
    return others;
  }

  /**
   * largest and half by least squares of the times' relative errors, weighed down where they are
   * large; both within what makes sense.
   */
  private static double[] parameters(List<Step> steps) {
    double start =
        bounded(steps.stream().mapToDouble(Step::utilisation).average().orElse(RULE), 1e-6, 1);
    boolean oneSize = steps.stream().mapToDouble(Step::tokens).distinct().count() < 2;
    if (steps.size() < FEWEST || oneSize) {
      return new double[] {start, 0};
    }
    double most = steps.stream().mapToDouble(Step::tokens).max().orElseThrow();
    // In logarithms of the share and in tokens relative to the largest step.
    double[] first = {Math.log(start), 0.1};
    RealVector found =
        new LevenbergMarquardtOptimizer()
            .optimize(
                new LeastSquaresBuilder()
                    .start(first)
                    .model(p -> errors(steps, p, most))
                    .target(new double[steps.size()])
                    .parameterValidator(
                        p ->
                            new ArrayRealVector(
                                new double[] {
                                  bounded(p.getEntry(0), Math.log(1e-6), 0),
                                  bounded(p.getEntry(1), 0, 1e3)
                                }))
                    .maxEvaluations(ITERATIONS)
                    .maxIterations(ITERATIONS)
                    .build())
            .getPoint();
    return new double[] {Math.exp(found.getEntry(0)), found.getEntry(1) * most};
  }

  private static double bounded(double v, double low, double high) {
    return Math.max(low, Math.min(high, v));
  }

  /** Huber-weighed log(predicted / measured) of each step, and its derivatives. */
  private static Pair<RealVector, RealMatrix> errors(List<Step> steps, RealVector p, double most) {
    double[] values = new double[steps.size()];
    double[][] slopes = new double[steps.size()][2];
    for (int i = 0; i < steps.size(); i++) {
      Step s = steps.get(i);
      double n = s.tokens / most;
      double half = p.getEntry(1);
      double error = Math.log(s.utilisation()) - p.getEntry(0) - Math.log(n / (n + half));
      double size = Math.abs(error);
      // ρ(e) = e² inside, 2·H·|e| − H² outside: its root is what is squared.
      double value =
          size <= HUBER ? error : Math.signum(error) * Math.sqrt(HUBER * (2 * size - HUBER));
      double slope = size <= HUBER ? 1 : HUBER / Math.abs(value);
      values[i] = value;
      slopes[i][0] = -slope;
      slopes[i][1] = slope / (n + half);
    }
    return new Pair<>(new ArrayRealVector(values), new Array2DRowRealMatrix(slopes));
  }

  /** As constants for the steps' arithmetic; the interval is what held-out steps were off by. */
  List<Constant> constants() {
    String source = "%d timed training steps".formatted(points);
    return List.of(
        new Constant(
            Coefficient.TRAINING_UTILIZATION,
            precision,
            largest,
            Constant.Origin.CALIBRATED,
            source,
            largestInterval),
        new Constant(
            Coefficient.TRAINING_HALF_TOKENS,
            precision,
            halfTokens,
            Constant.Origin.CALIBRATED,
            source,
            halfInterval));
  }

  /** In a sentence. */
  public String words() {
    String held =
        heldOutError == null
            ? "too few steps to hold one out"
            : String.format(
                Locale.ROOT,
                "error of a step predicted from the others %.1f %% (largest %.1f %%), with the"
                    + " rule's %.3f %.1f %%",
                100 * heldOutError,
                100 * (largestHeldOutError == null ? Double.NaN : largestHeldOutError),
                RULE,
                100 * errorOfRule);
    return String.format(
        Locale.ROOT,
        "%d steps in %s reach %.3f · n / (n + %.0f) of the peak, n tokens a step; %s",
        points,
        precision,
        largest,
        halfTokens,
        held);
  }
}
