package assay.cli;

import assay.backend.Backend;
import assay.calibrate.Calibration;
import assay.estimate.DeviceTable;
import assay.measure.CeilingMeter;
import assay.measure.InferenceMeter;
import assay.measure.LogitsCheck;
import assay.measure.Predictions;
import assay.measure.RowFactory;
import assay.measure.StopSignal;
import assay.measure.TimeBudget;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.UserError;
import assay.model.WeightSource;
import assay.model.Workload;
import assay.results.ResultRow;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Predict, write, measure, compare: what {@code run} and {@code bench} share. Every prediction is
 * on the disk before its model is loaded; what the folder holds already is not measured again.
 */
final class Measuring {
  /**
   * What stays the same over all models of a run.
   *
   * @param operations also time single operations
   * @param command that repeats it
   * @param calibration constants for a second prediction, or null
   */
  record Setting(
      CommonOptions common,
      Backend device,
      ResultsFolder folder,
      StopSignal stop,
      TimeBudget budget,
      boolean operations,
      String command,
      @Nullable Calibration calibration) {}

  private final Setting s;
  private final RowFactory factory;
  private final RowPredictor predictor;
  private final CeilingMeter ceilings;

  Measuring(Setting setting) {
    s = setting;
    factory = new RowFactory(s.device, s.command);
    s.folder.expectRowsOf(factory.environment());
    predictor = new RowPredictor(s.device, factory, s.calibration);
    String foreign = predictor.foreignCalibration();
    if (foreign != null) {
      say("! " + foreign);
    }
    ceilings =
        new CeilingMeter(
            s.device,
            CeilingMeter.Effort.usual(s.device),
            Predictions.datasheet(s.device.info(), DeviceTable.builtIn()));
  }

  private void say(String line) {
    s.common.err().println("assay: " + line);
    s.common.err().flush();
  }

  /**
   * Measures every precision under every workload.
   *
   * @param asked the user's precisions; empty for all that the device has
   * @return the exit code
   */
  int measure(WeightSource weights, List<Precision> asked, List<Workload> workloads) {
    List<MeasuringJob> jobs = new ArrayList<>();
    for (WeightTypes types : types(weights, asked)) {
      workloads.forEach(w -> jobs.add(new MeasuringJob(types, w)));
    }
    expectRunnable(weights.config(), jobs);
    return measure(weights, undone(weights, fitting(weights, jobs, !asked.isEmpty())));
  }

  /**
   * Measures the given rows of one model, less those that do not fit, which are named.
   *
   * @return the exit code
   */
  int measureThese(WeightSource weights, List<MeasuringJob> jobs) {
    expectRunnable(weights.config(), jobs);
    List<MeasuringJob> undone = undone(weights, jobs);
    List<MeasuringJob> fitting = undone.stream().filter(j -> refusal(weights, j) == null).toList();
    undone.stream()
        .filter(j -> !fitting.contains(j))
        .forEach(j -> say("left out: " + refusal(weights, j)));
    int code = fitting.isEmpty() ? ExitCode.DONE : measure(weights, fitting);
    return code == ExitCode.DONE && fitting.size() < undone.size() ? UserError.DOES_NOT_FIT : code;
  }

  private int measure(WeightSource weights, List<MeasuringJob> jobs) {
    try {
      List<ResultRow> predicted = predictor.rows(weights, jobs, ceilings, s.stop);
      s.folder.predictions(predicted);
      boolean allRight = true;
      try (RunProgress progress = new RunProgress(jobs.size(), s.common.json)) {
        InferenceMeter meter =
            new InferenceMeter(s.device, Devices::reference, ceilings, s.budget, s.stop, progress);
        for (int i = 0; i < jobs.size(); i++) {
          progress.begin(i, jobs.get(i).precision().label());
          allRight &= measure(meter, weights, jobs.get(i), predicted.get(i));
        }
      }
      return allRight ? ExitCode.DONE : UserError.CHECK_FAILED;
    } catch (StopSignal.StoppedException e) {
      say(
          "interrupted; %d finished %s kept in %s"
              .formatted(
                  s.folder.rows().size(),
                  s.folder.rows().size() == 1 ? "result is" : "results are",
                  s.folder.folder()));
      return ExitCode.INTERRUPTED;
    }
  }

  // ---- what is to be done

  /** Refuses what no amount of memory would let run. */
  void expectRunnable(ModelConfig c, List<MeasuringJob> jobs) {
    if (c.nExperts() > 1) {
      throw new UserError(c.name() + " is a mixture of experts: it can be estimated, not run");
    }
    for (MeasuringJob job : jobs) {
      Workload w = job.workload();
      if (w.kvSlots() > c.maxSeqLen()) {
        throw new UserError(
            "a prompt of %d and %d generated tokens need %d positions: %s has %d"
                .formatted(
                    w.promptTokens(), w.generatedTokens(), w.kvSlots(), c.name(), c.maxSeqLen()));
      }
      expectSupported(job.precision());
    }
  }

  private void expectSupported(Precision p) {
    if (!s.device.supports(p)) {
      throw new UserError(
          "%s has no %s: expected one of %s"
              .formatted(
                  s.device.info().kind(),
                  p.label(),
                  String.join(", ", supported().stream().map(Precision::label).toList())));
    }
  }

  private List<MeasuringJob> undone(WeightSource weights, List<MeasuringJob> jobs) {
    return jobs.stream()
        .filter(j -> s.folder.rows().stream().noneMatch(r -> j.isDoneBy(r, weights.config())))
        .toList();
  }

  /** A quantised file is measured as it is stored, unless the user asks otherwise. */
  private List<WeightTypes> types(WeightSource weights, List<Precision> asked) {
    asked.forEach(this::expectSupported);
    WeightTypes stored = WeightTypes.of(weights, null);
    if (asked.isEmpty() && stored.asStored() && WeightTypes.mostStored(weights).isBlocked()) {
      return List.of(stored);
    }
    return (asked.isEmpty() ? supported() : asked)
        .stream().map(p -> new WeightTypes(p, false)).toList();
  }

  private List<Precision> supported() {
    return Arrays.stream(Precision.values()).filter(s.device::supports).toList();
  }

  /** Refuses before anything is allocated what cannot fit by the estimator's word. */
  private List<MeasuringJob> fitting(
      WeightSource weights, List<MeasuringJob> jobs, boolean askedFor) {
    List<MeasuringJob> out = new ArrayList<>();
    String last = "";
    for (MeasuringJob job : jobs) {
      String refused = refusal(weights, job);
      if (refused == null) {
        out.add(job);
        continue;
      }
      if (askedFor) {
        throw new UserError(UserError.DOES_NOT_FIT, refused);
      }
      say("left out: " + refused);
      last = refused;
    }
    if (out.isEmpty()) {
      throw new UserError(UserError.DOES_NOT_FIT, last);
    }
    return out;
  }

  private @Nullable String refusal(WeightSource weights, MeasuringJob job) {
    long free = s.device.memory().freeBytes();
    long bytes = predictor.totalBytes(weights, job);
    return bytes <= free
        ? null
        : "%s at %s does not fit: predicted %d bytes, free %d bytes"
            .formatted(weights.config().name(), job.precision().label(), bytes, free);
  }

  // ---- measurement

  private boolean measure(
      InferenceMeter meter, WeightSource weights, MeasuringJob job, ResultRow row) {
    InferenceMeter.Outcome o = meter.measure(weights, job.session(), job.workload(), s.operations);
    List<String> warnings = new ArrayList<>(row.warnings() == null ? List.of() : row.warnings());
    warnings.addAll(o.warnings());
    boolean passed = o.check().passed();
    if (!passed) {
      String failure = "not measured: " + LogitsCheck.describe(o.check());
      warnings.addFirst(failure);
      say(job.precision().label() + ": " + failure);
    }
    s.folder.add(
        row.withMeasured(
            passed,
            o.check(),
            o.measured(),
            o.ceilings(),
            o.utilization(),
            o.operations(),
            o.samples(),
            warnings));
    return passed;
  }
}
