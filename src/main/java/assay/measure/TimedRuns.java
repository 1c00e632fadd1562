package assay.measure;

import assay.backend.Backend;
import assay.backend.Mark;
import assay.engine.Session;
import assay.model.Workload;
import assay.results.Samples;
import assay.results.Times;
import java.util.ArrayList;
import java.util.List;
import java.util.function.DoubleConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Prefill and decode timed apart by marks of the device's own clock. A run is one prefill and the
 * decode passes after it; the first token comes from the prefill, so N tokens are N − 1 passes, and
 * a run's sample of decode is its passes' time over their number.
 */
public final class TimedRuns {
  private static final double SPREAD_WARNING = 0.05;
  private static final double OTHERS_WARNING = 0.05;

  private final Session session;
  private final Backend backend;
  private final Workload workload;
  private final StopSignal stop;

  private TimedRuns(Session session, Workload workload, StopSignal stop) {
    this.session = session;
    this.backend = session.backend();
    this.workload = workload;
    this.stop = stop;
  }

  /**
   * What was timed.
   *
   * @param decode of one pass; null when no pass is made
   * @param deviceBusy on a host, its processors' share of this process; else null
   */
  public record Result(
      Times prefill,
      @Nullable Times decode,
      Samples samples,
      @Nullable Double deviceBusy,
      List<String> warnings) {}

  private record Run(double prefillSeconds, double decodeSecondsPerPass) {}

  /** Warms up until steady, then times. The session has its prompts. */
  public static Result take(
      Session session,
      Workload workload,
      TimeBudget budget,
      StopSignal stop,
      DoubleConsumer progress) {
    return new TimedRuns(session, workload, stop).take(budget, progress);
  }

  private Result take(TimeBudget budget, DoubleConsumer progress) {
    try (Mark start = backend.newMark();
        Mark middle = backend.newMark();
        Mark end = backend.newMark()) {
      List<String> warnings = new ArrayList<>();
      Warmup prefillWarmup = new Warmup();
      Warmup decodeWarmup = new Warmup();
      long began = System.nanoTime();
      double elapsed = 0;
      while (!(prefillWarmup.steady() && decodeWarmup.steady())) {
        if (elapsed > budget.warmupSeconds()) {
          warnings.add("still getting faster after %.1f s of warm-up".formatted(elapsed));
          break;
        }
        Run run = run(start, middle, end);
        prefillWarmup.add(run.prefillSeconds);
        decodeWarmup.add(run.decodeSecondsPerPass);
        elapsed = (System.nanoTime() - began) * 1e-9;
        progress.accept(0.4 * Math.min(1, elapsed / budget.warmupSeconds()));
      }
      MachineLoad load = new MachineLoad();
      List<Run> runs = new ArrayList<>();
      began = System.nanoTime();
      elapsed = 0;
      while (runs.size() < budget.minRuns()
          || (elapsed < budget.measureSeconds() && runs.size() < budget.maxRuns())) {
        runs.add(run(start, middle, end));
        elapsed = (System.nanoTime() - began) * 1e-9;
        progress.accept(0.4 + 0.6 * Math.min(1, elapsed / budget.measureSeconds()));
      }
      return result(runs, prefillWarmup.runs(), load.shares(), warnings);
    }
  }

  private Run run(Mark start, Mark middle, Mark end) {
    stop.check();
    session.rewind();
    backend.await();
    int passes = workload.decodePasses();
    start.record();
    session.enqueuePrefill();
    middle.record();
    for (int i = 0; i < passes; i++) {
      stop.check();
      session.enqueueRecordedDecode();
    }
    end.record();
    backend.await();
    double decode = passes == 0 ? 0 : end.secondsSince(middle) / passes;
    return new Run(middle.secondsSince(start), decode);
  }

  private Result result(
      List<Run> runs, int warmupRuns, MachineLoad.Shares load, List<String> warnings) {
    List<Double> prefill = runs.stream().map(Run::prefillSeconds).toList();
    warnSpread("prefill", prefill, warnings);
    List<Double> decode = null;
    if (workload.decodePasses() > 0) {
      decode = runs.stream().map(Run::decodeSecondsPerPass).toList();
      warnSpread("decode", decode, warnings);
    }
    Double others = load.others();
    boolean host = backend.sharesHostMemory();
    if (others != null && others > OTHERS_WARNING) {
      warnings.add(
          "other processes used %.0f %% of the processors while this was timed"
              .formatted(100 * others));
    }
    return new Result(
        Statistics.times(prefill),
        decode == null ? null : Statistics.times(decode),
        new Samples(prefill, decode, warmupRuns),
        host ? load.own() : null,
        warnings);
  }

  private static void warnSpread(String phase, List<Double> samples, List<String> warnings) {
    double spread = Statistics.quartileSpread(samples);
    if (spread > SPREAD_WARNING) {
      warnings.add(
          "%s: half of %d runs lie within %.0f %% of the median"
              .formatted(phase, samples.size(), 100 * spread));
    }
  }
}
