package assay.cli;

import assay.backend.Backend;
import assay.calibrate.Calibration;
import assay.estimate.Constants;
import assay.estimate.Device;
import assay.estimate.DeviceKind;
import assay.estimate.DeviceTable;
import assay.estimate.Estimator;
import assay.estimate.InferenceEstimate;
import assay.estimate.InferenceRequest;
import assay.estimate.Scratch;
import assay.measure.CeilingMeter;
import assay.measure.Predictions;
import assay.measure.RowFactory;
import assay.measure.StopSignal;
import assay.model.AdapterSource;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.UserError;
import assay.model.WeightSource;
import assay.results.Ceilings;
import assay.results.Prediction;
import assay.results.ResultRow;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.SequencedSet;
import org.jspecify.annotations.Nullable;

/** Rows with their predictions: by the defaults, and by a calibration where one is given. */
final class RowPredictor {
  private final Backend device;
  private final RowFactory factory;
  private final @Nullable Calibration calibration;

  /**
   * Predicts for a device.
   *
   * @throws UserError when the calibration is of another kind of device
   */
  RowPredictor(Backend device, RowFactory factory, @Nullable Calibration calibration) {
    this.device = device;
    this.factory = factory;
    this.calibration = calibration;
    if (calibration != null && calibration.device().kind() != kind()) {
      throw new UserError(
          "--calibration of a %s does not suit this %s: expected one of the same kind of device"
              .formatted(calibration.device().kind().label(), kind().label()));
    }
  }

  /** What the user must know of constants that were fitted to another device; null if nothing. */
  @Nullable String foreignCalibration() {
    return calibration == null || isOwn(calibration)
        ? null
        : "the calibration is of %s, this is %s: its constants are applied to another device"
            .formatted(calibration.device().name(), device.info().name());
  }

  private boolean isOwn(Calibration c) {
    return c.device().name().equals(device.info().name());
  }

  private DeviceKind kind() {
    return Predictions.kindOf(device.info());
  }

  /** All bytes of a job, which needs nothing to be known of the device's speed. */
  long totalBytes(WeightSource weights, MeasuringJob job) {
    Device unknown = Device.unknown(device.info().name(), kind());
    return estimate(weights, job, unknown, Constants.defaults(kind())).totalBytes();
  }

  /** A row for each job; measures ceilings where that is not done yet. */
  List<ResultRow> rows(
      WeightSource weights, List<MeasuringJob> jobs, CeilingMeter meter, StopSignal stop) {
    Device on = device(jobs, meter, stop);
    List<ResultRow> out = new ArrayList<>();
    for (MeasuringJob job : jobs) {
      InferenceEstimate e = estimate(weights, job, on, Constants.defaults(kind()));
      List<String> warnings = new ArrayList<>(e.warnings());
      String foreign = foreignCalibration();
      if (foreign != null) {
        warnings.addFirst(foreign);
      }
      out.add(
          factory.predicted(
              weights,
              job.session(),
              job.workload(),
              Predictions.of(e),
              calibrated(weights, job, on),
              warnings));
    }
    return out;
  }

  /** With the ceilings that the constants are shares of, or on another device with its own. */
  private @Nullable Prediction calibrated(WeightSource weights, MeasuringJob job, Device on) {
    Calibration c = calibration;
    return c == null
        ? null
        : Predictions.of(estimate(weights, job, isOwn(c) ? c.device() : on, c.onTopOfDefaults()));
  }

  private Device device(List<MeasuringJob> jobs, CeilingMeter meter, StopSignal stop) {
    SequencedSet<Precision> needed = new LinkedHashSet<>();
    needed.add(Precision.FP32); // attention on a CPU
    jobs.forEach(j -> needed.add(j.precision()));
    Map<Precision, Ceilings> ceilings = new EnumMap<>(Precision.class);
    for (Precision p : needed) {
      stop.check();
      ceilings.put(p, meter.of(p));
    }
    return Predictions.device(
        device.info(),
        device.memory().totalBytes(),
        ceilings,
        Predictions.datasheet(device.info(), DeviceTable.builtIn()));
  }

  private InferenceEstimate estimate(
      WeightSource weights, MeasuringJob job, Device on, Constants constants) {
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
    AdapterSource adapter = weights.adapter();
    r = r.withAdapter(adapter == null ? null : adapter.shape());
    if (job.types().asStored()) {
      r =
          r.withStoredTypes(
              t -> t.role().isMatrix() ? weights.storedType(t) : t.storedType(job.precision()));
    }
    return Estimator.inference(r, on, constants);
  }
}
