package assay.measure;

import assay.backend.Backend;
import assay.backend.DeviceMonitor;
import assay.backend.DeviceMonitor.Sample;
import assay.backend.DeviceMonitor.Sampling;
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

  /** How often a device is asked for its clocks; its own figures change every 20 to 100 ms. */
  private static final double SAMPLE_SECONDS = 0.05;

  /** A few short runs look steady before the JVM has compiled anything. */
  private static final double LEAST_WARMUP_SECONDS = 0.2;

  /** So long are runs timed between two probes of the host's pace. */
  private static final double PACE_SECONDS = 0.1;

  private final Session session;
  private final Backend backend;
  private final @Nullable DeviceMonitor monitor;
  private final Workload workload;
  private final @Nullable PaceMeter pace;
  private final StopSignal stop;

  private TimedRuns(Session session, Workload workload, @Nullable PaceMeter pace, StopSignal stop) {
    this.pace = pace;
    this.session = session;
    this.backend = session.backend();
    this.monitor = ForwardingBackend.monitorOf(backend);
    this.workload = workload;
    this.stop = stop;
  }

  /**
   * What was timed.
   *
   * @param decode of one pass; null when no pass is made
   * @param deviceBusy on a host, its processors' share of this process; on another device the
   *     driver's figure, which is that some kernel was running
   * @param othersBusy on a host, its processors' share of other processes; else null
   * @param deviceSamples what such a device said while it was timed
   * @param decodeWithoutRecording of one pass whose operations were enqueued one by one; on such a
   *     device only
   */
  public record Result(
      Times prefill,
      @Nullable Times decode,
      Samples samples,
      @Nullable Double deviceBusy,
      @Nullable Double othersBusy,
      List<Sample> deviceSamples,
      @Nullable Times decodeWithoutRecording,
      List<String> warnings) {}

  private record Run(double prefillSeconds, double decodeSecondsPerPass) {}

  /** Warms up until steady, then times. The session has its prompts. */
  public static Result take(
      Session session,
      Workload workload,
      TimeBudget budget,
      StopSignal stop,
      DoubleConsumer progress) {
    return take(session, workload, budget, null, stop, progress);
  }

  /** The same, with probes of the host's pace between the runs. */
  static Result take(
      Session session,
      Workload workload,
      TimeBudget budget,
      @Nullable PaceMeter pace,
      StopSignal stop,
      DoubleConsumer progress) {
    return new TimedRuns(session, workload, pace, stop).take(budget, progress);
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
      while (elapsed < LEAST_WARMUP_SECONDS || !(prefillWarmup.steady() && decodeWarmup.steady())) {
        if (elapsed > budget.warmupSeconds()) {
          if (!(prefillWarmup.steady() && decodeWarmup.steady())) {
            warnings.add("still getting faster after %.1f s of warm-up".formatted(elapsed));
          }
          break;
        }
        Run run = run(start, middle, end, true);
        prefillWarmup.add(run.prefillSeconds);
        decodeWarmup.add(run.decodeSecondsPerPass);
        elapsed = (System.nanoTime() - began) * 1e-9;
        progress.accept(0.4 * Math.min(1, elapsed / budget.warmupSeconds()));
      }
      MachineLoad load = new MachineLoad();
      List<Run> runs = new ArrayList<>();
      began = System.nanoTime();
      elapsed = 0;
      double nextProbe = 0;
      List<Sample> samples;
      try (Sampling sampling = monitor == null ? null : monitor.startSampling(SAMPLE_SECONDS)) {
        while (runs.size() < budget.minRuns()
            || (elapsed < budget.measureSeconds() && runs.size() < budget.maxRuns())) {
          double now = (System.nanoTime() - began) * 1e-9;
          if (pace != null && now >= nextProbe) {
            pace.probe();
            if (runs.isEmpty() || now - nextProbe < PACE_SECONDS) {
              run(start, middle, end, true); // the caches as they were; long runs do not mind
            }
            nextProbe = (System.nanoTime() - began) * 1e-9 + PACE_SECONDS;
          }
          runs.add(run(start, middle, end, true));
          elapsed = (System.nanoTime() - began) * 1e-9;
          progress.accept(0.4 + 0.6 * Math.min(1, elapsed / budget.measureSeconds()));
        }
        if (pace != null) {
          pace.probe();
        }
        samples = sampling == null ? List.of() : sampling.samples();
      }
      MachineLoad.Shares shares = load.shares();
      warnings.addAll(DeviceWatch.warnings(samples));
      Times alone = withoutRecording(start, middle, end, budget);
      return result(runs, prefillWarmup.runs(), shares, samples, alone, warnings);
    }
  }

  /** What the recording saves: only a device apart from the host is driven differently by it. */
  private @Nullable Times withoutRecording(Mark start, Mark middle, Mark end, TimeBudget budget) {
    if (monitor == null || workload.decodePasses() == 0) {
      return null;
    }
    List<Double> seconds = new ArrayList<>();
    for (int i = 0; i < budget.minRuns(); i++) {
      seconds.add(run(start, middle, end, false).decodeSecondsPerPass);
    }
    return Statistics.times(seconds);
  }

  private Run run(Mark start, Mark middle, Mark end, boolean recorded) {
    stop.check();
    session.rewind();
    backend.await();
    int passes = workload.decodePasses();
    start.record();
    session.enqueuePrefill();
    middle.record();
    for (int i = 0; i < passes; i++) {
      stop.check();
      if (recorded) {
        session.enqueueRecordedDecode();
      } else {
        session.enqueueDecode();
      }
    }
    end.record();
    backend.await();
    double decode = passes == 0 ? 0 : end.secondsSince(middle) / passes;
    return new Run(middle.secondsSince(start), decode);
  }

  private Result result(
      List<Run> runs,
      int warmupRuns,
      MachineLoad.Shares load,
      List<Sample> samples,
      @Nullable Times withoutRecording,
      List<String> warnings) {
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
    // No conditional expression: it would unbox an absent figure.
    Double busy = DeviceWatch.busy(samples);
    if (host) {
      busy = load.own();
    }
    return new Result(
        Statistics.times(prefill),
        decode == null ? null : Statistics.times(decode),
        new Samples(prefill, decode, warmupRuns, pace == null ? null : pace.take()),
        busy,
        host ? others : null,
        samples,
        withoutRecording,
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
