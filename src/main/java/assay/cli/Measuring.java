package assay.cli;

import assay.backend.Backend;
import assay.engine.SessionOptions;
import assay.estimate.Constants;
import assay.estimate.Device;
import assay.estimate.DeviceKind;
import assay.estimate.DeviceTable;
import assay.estimate.Estimator;
import assay.estimate.InferenceEstimate;
import assay.estimate.InferenceRequest;
import assay.estimate.Scratch;
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
import assay.results.Ceilings;
import assay.results.ResultRow;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.SequencedSet;

/**
 * Predict, write, measure, compare: what {@code run} and {@code bench} share. Every prediction is
 * on the disk before the first model is loaded.
 */
final class Measuring {
  /** One row to be. */
  private record Job(WeightTypes types, Workload workload) {
    SessionOptions session() {
      return types.apply(InferenceMeter.sessionFor(types.precision(), workload));
    }

    Precision precision() {
      return types.precision();
    }
  }

  private final CommonOptions common;
  private final Backend device;
  private final WeightSource weights;
  private final ResultsFolder folder;
  private final StopSignal stop;
  private final TimeBudget budget;
  private final boolean operations;
  private final RowFactory factory;

  Measuring(
      CommonOptions common,
      Backend device,
      WeightSource weights,
      ResultsFolder folder,
      StopSignal stop,
      TimeBudget budget,
      boolean operations,
      String command) {
    this.common = common;
    this.device = device;
    this.weights = weights;
    this.folder = folder;
    this.stop = stop;
    this.budget = budget;
    this.operations = operations;
    this.factory = new RowFactory(device, command);
  }

  /**
   * Measures every precision under every workload.
   *
   * @param asked the user's precisions; empty for all that the device has
   * @return the exit code
   */
  int measure(List<Precision> asked, List<Workload> workloads) {
    List<Job> jobs = fitting(jobs(asked, workloads), !asked.isEmpty());
    try {
      CeilingMeter ceilings = ceilings();
      List<ResultRow> predicted = predict(jobs, ceilings);
      folder.predictions(predicted);
      boolean allRight = true;
      try (RunProgress progress = new RunProgress(jobs.size(), common.json)) {
        InferenceMeter meter =
            new InferenceMeter(device, Devices::reference, ceilings, budget, stop, progress);
        for (int i = 0; i < jobs.size(); i++) {
          progress.begin(i, jobs.get(i).precision().label());
          allRight &= measure(meter, jobs.get(i), predicted.get(i));
        }
      }
      return allRight ? ExitCode.DONE : UserError.CHECK_FAILED;
    } catch (StopSignal.StoppedException e) {
      common
          .err()
          .printf(
              "assay: interrupted; %d finished %s kept in %s%n",
              folder.rows().size(),
              folder.rows().size() == 1 ? "result is" : "results are",
              folder.folder());
      common.err().flush();
      return ExitCode.INTERRUPTED;
    }
  }

  // ---- what is to be done

  private List<Job> jobs(List<Precision> asked, List<Workload> workloads) {
    ModelConfig c = weights.config();
    if (c.nExperts() > 1) {
      throw new UserError(c.name() + " is a mixture of experts: it can be estimated, not run");
    }
    for (Workload w : workloads) {
      if (w.kvSlots() > c.maxSeqLen()) {
        throw new UserError(
            "a prompt of %d and %d generated tokens need %d positions: %s has %d"
                .formatted(
                    w.promptTokens(), w.generatedTokens(), w.kvSlots(), c.name(), c.maxSeqLen()));
      }
    }
    List<Job> jobs = new ArrayList<>();
    for (WeightTypes types : types(asked)) {
      workloads.forEach(w -> jobs.add(new Job(types, w)));
    }
    return jobs;
  }

  /** A quantised file is measured as it is stored, unless the user asks otherwise. */
  private List<WeightTypes> types(List<Precision> asked) {
    for (Precision p : asked) {
      if (!device.supports(p)) {
        throw new UserError(
            "%s has no %s: expected one of %s"
                .formatted(device.info().kind(), p.label(), labels()));
      }
    }
    WeightTypes stored = WeightTypes.of(weights, null);
    if (asked.isEmpty() && stored.asStored() && WeightTypes.mostStored(weights).isBlocked()) {
      return List.of(stored);
    }
    return (asked.isEmpty() ? supported() : asked)
        .stream().map(p -> new WeightTypes(p, false)).toList();
  }

  private List<Precision> supported() {
    return Arrays.stream(Precision.values()).filter(device::supports).toList();
  }

  private String labels() {
    return String.join(", ", supported().stream().map(Precision::label).toList());
  }

  /** Refuses before anything is allocated what cannot fit by the estimator's word. */
  private List<Job> fitting(List<Job> jobs, boolean askedFor) {
    long free = device.memory().freeBytes();
    Device unknown = Device.unknown(device.info().name(), kind());
    List<Job> out = new ArrayList<>();
    String refused = "";
    for (Job job : jobs) {
      long bytes = estimate(job, unknown).totalBytes();
      if (bytes <= free) {
        out.add(job);
        continue;
      }
      refused =
          "%s at %s does not fit: predicted %d bytes, free %d bytes"
              .formatted(weights.config().name(), job.precision().label(), bytes, free);
      if (askedFor) {
        throw new UserError(UserError.DOES_NOT_FIT, refused);
      }
      common.err().println("assay: left out: " + refused);
    }
    if (out.isEmpty()) {
      throw new UserError(UserError.DOES_NOT_FIT, refused);
    }
    return out;
  }

  // ---- prediction

  private DeviceKind kind() {
    return Predictions.kindOf(device.info());
  }

  private InferenceEstimate estimate(Job job, Device on) {
    ModelConfig c = weights.config();
    InferenceRequest r = InferenceRequest.of(c, job.precision(), job.workload(), kind());
    // By the estimator's own formula, not the back end's: what is predicted must be able to be
    // wrong.
    Integer threads = factory.environment().threads();
    r =
        r.withScratch(
            Scratch.bytes(
                kind(),
                c,
                r.size(),
                threads == null ? Runtime.getRuntime().availableProcessors() : threads));
    if (job.types().asStored()) {
      r =
          r.withStoredTypes(
              t -> t.role().isMatrix() ? weights.storedType(t) : t.storedType(job.precision()));
    }
    return Estimator.inference(r, on, Constants.defaults(kind()));
  }

  private CeilingMeter ceilings() {
    return new CeilingMeter(
        device,
        CeilingMeter.Effort.usual(device),
        Predictions.datasheet(device.info(), DeviceTable.builtIn()));
  }

  private List<ResultRow> predict(List<Job> jobs, CeilingMeter meter) {
    SequencedSet<Precision> needed = new LinkedHashSet<>();
    needed.add(Precision.FP32); // attention on a CPU
    jobs.forEach(j -> needed.add(j.precision()));
    Map<Precision, Ceilings> ceilings = new EnumMap<>(Precision.class);
    for (Precision p : needed) {
      stop.check();
      ceilings.put(p, meter.of(p));
    }
    Device on =
        Predictions.device(
            device.info(),
            device.memory().totalBytes(),
            ceilings,
            Predictions.datasheet(device.info(), DeviceTable.builtIn()));
    List<ResultRow> out = new ArrayList<>();
    for (Job job : jobs) {
      InferenceEstimate e = estimate(job, on);
      out.add(
          factory.predicted(
              weights, job.session(), job.workload(), Predictions.of(e), e.warnings()));
    }
    return out;
  }

  // ---- measurement

  private boolean measure(InferenceMeter meter, Job job, ResultRow row) {
    InferenceMeter.Outcome o = meter.measure(weights, job.session(), job.workload(), operations);
    List<String> warnings = new ArrayList<>(row.warnings() == null ? List.of() : row.warnings());
    warnings.addAll(o.warnings());
    boolean passed = o.check().passed();
    if (!passed) {
      String failure = "not measured: " + LogitsCheck.describe(o.check());
      warnings.addFirst(failure);
      common.err().printf("assay: %s: %s%n", job.precision().label(), failure);
      common.err().flush();
    }
    folder.add(
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
