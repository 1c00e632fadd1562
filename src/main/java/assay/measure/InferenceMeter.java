package assay.measure;

import assay.backend.Backend;
import assay.backend.DeviceMonitor;
import assay.engine.Session;
import assay.engine.SessionOptions;
import assay.model.Precision;
import assay.model.WeightSource;
import assay.model.Workload;
import assay.results.Ceilings;
import assay.results.Check;
import assay.results.Measurement;
import assay.results.OperationTime;
import assay.results.Pace;
import assay.results.Samples;
import assay.results.Utilization;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.Supplier;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * Measures inference of one model at one precision under one workload: check against the reference,
 * ceilings, bytes, counts, times, and on request times of single operations.
 */
public final class InferenceMeter {
  private static final int USUAL_PASS_TOKENS = 512;
  private static final long PROMPT_SEED = 11;

  /** A stretch of decoding is enough to see what its operations take. */
  private static final int PROFILED_PASSES = 8;

  /** Share of the best arithmetic so far below which a row is timed again. */
  private static final double STEADY_PACE = 0.85;

  /** Share of a ceiling below which the host's pace is worth a warning. */
  private static final double SLOW_PACE = 0.85;

  private final Backend device;
  private final Supplier<Backend> reference;
  private final CeilingMeter ceilings;
  private final TimeBudget budget;
  private final StopSignal stop;
  private final Progress progress;
  private final Map<CheckKey, Check> checks = new HashMap<>();

  /** The best pace of the host's arithmetic so far, FLOP/s. */
  private double bestArithmetic;

  /**
   * @param device what is measured
   * @param reference makes the judge
   * @param ceilings of the same device
   */
  public InferenceMeter(
      Backend device,
      Supplier<Backend> reference,
      CeilingMeter ceilings,
      TimeBudget budget,
      StopSignal stop,
      Progress progress) {
    this.device = device;
    this.reference = reference;
    this.ceilings = ceilings;
    this.budget = budget;
    this.stop = stop;
    this.progress = progress;
  }

  /**
   * What came out.
   *
   * @param check the comparison with the reference; when it failed, nothing else is there
   */
  public record Outcome(
      Check check,
      @Nullable Measurement measured,
      @Nullable Ceilings ceilings,
      @Nullable Utilization utilization,
      @Nullable List<OperationTime> operations,
      @Nullable Samples samples,
      List<String> warnings) {}

  /** The session for a workload: no slot of the cache and no row of a pass stays empty. */
  public static SessionOptions sessionFor(Precision precision, Workload w) {
    return SessionOptions.of(precision, w.batch(), w.kvSlots())
        .withMaxPassTokens(Math.min(USUAL_PASS_TOKENS, w.promptTokens()));
  }

  /**
   * Measures one row.
   *
   * @param operations also time single operations, in a pass of their own
   * @throws assay.model.UserError exit code 3 when the model does not fit
   * @throws StopSignal.StoppedException when the user stops it
   */
  public Outcome measure(
      WeightSource weights, Precision precision, Workload workload, boolean operations) {
    return measure(weights, sessionFor(precision, workload), workload, operations);
  }

  /** The same with a session of other options; they hold the workload. */
  public Outcome measure(
      WeightSource weights, SessionOptions options, Workload workload, boolean operations) {
    Precision precision = options.precision();
    progress.at("checking against the reference", 0);
    Check check = check(weights, options);
    if (!check.passed()) {
      return new Outcome(check, null, null, null, null, null, warnings(weights));
    }
    stop.check();
    progress.at("ceilings", 0.15);
    int batch = workload.batch();
    int pass = Math.min(options.maxPassTokens(), workload.promptTokens());
    Ceilings ceiling =
        ceilings.of(precision, weights.config(), Math.multiplyExact(batch, pass), batch);
    stop.check();
    progress.at("loading", 0.25);
    ProfilingBackend profiling = new ProfilingBackend(device);
    CountingBackend counting = new CountingBackend(profiling);
    try (profiling;
        Session session = Session.open(counting, weights, options)) {
      session.start(prompts(session, workload));
      Counted counted = count(session, counting, workload);
      TimedRuns.Result timed = time(session, workload, ceiling);
      Measurement measured =
          measurement(workload, MemoryReading.of(session, device), counted, timed);
      List<String> warnings = warnings(weights);
      warnings.addAll(timed.warnings());
      warnCached(measured, warnings);
      List<OperationTime> ops = null;
      if (operations) {
        progress.at("single operations", 0.95);
        ops = profile(session, profiling, counted, workload);
      }
      Utilization utilization = utilization(measured, ceiling, timed);
      warnAboveCeiling(utilization, warnings);
      warnPace(timed.samples(), ceiling, warnings);
      return new Outcome(check, measured, ceiling, utilization, ops, timed.samples(), warnings);
    }
  }

  /**
   * Times it, and again while the host's arithmetic is slower than it has been before; of several
   * the one at the best pace counts, never the one with the best times.
   */
  private TimedRuns.Result time(Session session, Workload workload, Ceilings ceiling) {
    Double known = ceiling.arithmeticFlopsPerSecond();
    bestArithmetic = Math.max(bestArithmetic, known == null ? 0 : known);
    try (PaceMeter pace = PaceMeter.of(device)) {
      TimedRuns.Result best = null;
      for (int take = 0; ; take++) {
        TimedRuns.Result next =
            TimedRuns.take(
                session, workload, budget, pace, stop, f -> progress.at("timing", 0.3 + 0.6 * f));
        bestArithmetic = Math.max(bestArithmetic, arithmetic(next));
        best = best == null || arithmetic(next) > arithmetic(best) ? next : best;
        if (take == budget.retakes() || arithmetic(best) >= STEADY_PACE * bestArithmetic) {
          return best;
        }
      }
    }
  }

  /** Median of the probes of the arithmetic; 0 where it is not probed, which is always steady. */
  private static double arithmetic(TimedRuns.Result r) {
    List<Pace> pace = r.samples().pace();
    return pace == null || pace.isEmpty()
        ? 0
        : Statistics.median(pace.stream().map(Pace::arithmeticFlopsPerSecond).toList());
  }

  private Check check(WeightSource weights, SessionOptions options) {
    CheckKey key = CheckKey.of(weights, options);
    Check known = checks.get(key);
    if (known != null) {
      return known;
    }
    try (Backend judge = reference.get()) {
      Check check = new LogitsCheck(device, judge).run(weights, options, stop);
      checks.put(key, check);
      return check;
    }
  }

  /** What a check depends on: workloads that agree in it share one. */
  private record CheckKey(WeightSource weights, SessionOptions options) {
    static CheckKey of(WeightSource weights, SessionOptions o) {
      return new CheckKey(weights, o.withShape(LogitsCheck.sequences(o), 1, 1));
    }
  }

  private static List<String> warnings(WeightSource weights) {
    List<String> out = new ArrayList<>();
    weights
        .nonFinite()
        .forEach((name, count) -> out.add("%d values of %s are not finite".formatted(count, name)));
    return out;
  }

  static int[][] prompts(Session session, Workload w) {
    SplittableRandom random = new SplittableRandom(PROMPT_SEED);
    int[][] out = new int[w.batch()][w.promptTokens()];
    for (int[] prompt : out) {
      for (int t = 0; t < prompt.length; t++) {
        prompt[t] = random.nextInt(session.config().vocabSize());
      }
    }
    return out;
  }

  // ---- counting

  private record Counted(
      Map<OpLabel, OpCounts> prefill, Map<OpLabel, OpCounts> decode, int decodePasses) {}

  private Counted count(Session session, CountingBackend counting, Workload w) {
    counting.start();
    session.enqueuePrefill();
    session.backend().await();
    Map<OpLabel, OpCounts> prefill = counting.stop();
    counting.start();
    for (int i = 0; i < w.decodePasses(); i++) {
      stop.check();
      session.enqueueDecode();
    }
    session.backend().await();
    return new Counted(prefill, counting.stop(), w.decodePasses());
  }

  private Measurement measurement(
      Workload w, MemoryReading memory, Counted counted, TimedRuns.Result timed) {
    OpCounts prefill = CountingBackend.sum(counted.prefill());
    OpCounts decode = CountingBackend.sum(counted.decode());
    boolean decodes = counted.decodePasses() > 0;
    int passes = Math.max(1, counted.decodePasses());
    double prefillMedian = timed.prefill().median();
    Double decodeMedian = timed.decode() == null ? null : timed.decode().median();
    double bytesPerPass = (double) decode.streamedBytes() / passes;
    return new Measurement(
        memory.weightsBytes(),
        memory.kvCacheBytes(),
        memory.activationsBytes(),
        memory.workspaceBytes(),
        memory.overheadBytes(),
        memory.totalBytes(),
        memory.residentBytes(),
        prefill.flops(),
        decodes ? Math.round((double) decode.flops() / passes / w.batch()) : null,
        prefill.streamedBytes(),
        decodes ? Math.round(bytesPerPass) : null,
        timed.prefill(),
        timed.decode(),
        prefill.flops() / prefillMedian,
        decodeMedian == null ? null : (double) decode.flops() / passes / decodeMedian,
        decodeMedian == null ? null : bytesPerPass / decodeMedian,
        (double) w.batch() * w.promptTokens() / prefillMedian,
        decodeMedian == null ? null : w.batch() / decodeMedian,
        device instanceof DeviceMonitor monitor
            ? DeviceWatch.readings(monitor, timed.deviceSamples(), timed.decodeWithoutRecording())
            : null);
  }

  private static Utilization utilization(Measurement m, Ceilings c, TimedRuns.Result timed) {
    Double bandwidth =
        c.bandwidthBytesPerSecond() != null ? c.bandwidthBytesPerSecond() : c.copyBytesPerSecond();
    Double prefillMfu = ratio(m.prefillFlopsPerSecond(), c.peakFlopsPerSecond());
    Double decodePeak =
        c.decodePeakFlopsPerSecond() != null
            ? c.decodePeakFlopsPerSecond()
            : c.peakFlopsPerSecond();
    Double decodeMfu = ratio(m.decodeFlopsPerSecond(), decodePeak);
    return new Utilization(
        prefillMfu,
        decodeMfu,
        ratio(m.decodeBytesPerSecond(), bandwidth),
        timed.deviceBusy(),
        timed.othersBusy(),
        Utilization.RULE,
        Utilization.Verdict.of(prefillMfu),
        Utilization.Verdict.of(decodeMfu),
        ratio(m.prefillFlopsPerSecond(), c.gemmFlopsPerSecond()),
        ratio(m.decodeFlopsPerSecond(), c.gemmFlopsPerSecond()));
  }

  private static @Nullable Double ratio(@Nullable Double part, @Nullable Double whole) {
    return part == null || whole == null ? null : part / whole;
  }

  /** What fits the cache is not read from memory, so its MBU can exceed 1. */
  private void warnCached(Measurement m, List<String> warnings) {
    Long read = m.decodeBytesReadPerPass();
    long cache = device.sharesHostMemory() ? ProcFile.lastLevelCacheBytes().orElse(0) : 0;
    if (read != null && read < 2 * cache) {
      warnings.add(
          "a decode pass reads %.1f MB and the last-level cache holds %.1f MB: part of it is not read from memory, so MBU can exceed 1"
              .formatted(read / 1e6, cache / 1e6));
    }
  }

  /** More than the ceiling is no feat of the model: the ceiling was measured while others ran. */
  private static void warnAboveCeiling(Utilization u, List<String> warnings) {
    Double mfu = u.prefillMfu();
    if (mfu != null && mfu > 1) {
      warnings.add(
          "prefill is %.2f × as fast as the product measured as its ceiling: the ceiling is too low, measure again on an idle machine"
              .formatted(mfu));
    }
  }

  /** Slower than when its ceilings were measured: by neighbours, heat or a lower clock. */
  private static void warnPace(Samples samples, Ceilings c, List<String> warnings) {
    List<Pace> pace = samples.pace();
    if (pace == null || pace.isEmpty()) {
      return;
    }
    warnPace(
        "arithmetic", pace, Pace::arithmeticFlopsPerSecond, c.arithmeticFlopsPerSecond(), warnings);
    warnPace("memory", pace, Pace::copyBytesPerSecond, c.copyBytesPerSecond(), warnings);
  }

  private static void warnPace(
      String what,
      List<Pace> pace,
      ToDoubleFunction<Pace> rate,
      @Nullable Double ceiling,
      List<String> warnings) {
    double median = Statistics.median(pace.stream().map(rate::applyAsDouble).toList());
    if (ceiling != null && median < SLOW_PACE * ceiling) {
      warnings.add(
          "%s ran at %.2f of its ceiling while this was timed: the machine was slower than when its ceilings were measured"
              .formatted(what, median / ceiling));
    }
  }

  // ---- single operations

  private List<OperationTime> profile(
      Session session, ProfilingBackend profiling, Counted counted, Workload w) {
    List<OperationTime> out = new ArrayList<>();
    session.rewind();
    profiling.start();
    session.enqueuePrefill();
    add(out, "prefill", profiling.stop(), counted.prefill(), 1, 1);
    int passes = Math.min(PROFILED_PASSES, w.decodePasses());
    if (passes > 0) {
      profiling.start();
      for (int i = 0; i < passes; i++) {
        stop.check();
        session.enqueueDecode();
      }
      add(out, "decode", profiling.stop(), counted.decode(), passes, counted.decodePasses());
    }
    return out;
  }

  private static void add(
      List<OperationTime> out,
      String phase,
      Map<OpLabel, Double> seconds,
      Map<OpLabel, OpCounts> counts,
      int timedPasses,
      int countedPasses) {
    seconds.forEach(
        (label, s) -> {
          OpCounts c = counts.getOrDefault(label, OpCounts.NONE);
          out.add(
              new OperationTime(
                  phase,
                  label.operation(),
                  label.shape(),
                  Math.toIntExact(Math.max(1, c.calls() / countedPasses)),
                  s / timedPasses,
                  c.flops() / countedPasses,
                  c.bytes() / countedPasses));
        });
  }
}
