package assay.estimate.training;

import assay.cost.CostModel;
import assay.cost.PassCost;
import assay.cost.PassShape;
import assay.cost.StorageTypes;
import assay.estimate.Coefficient;
import assay.estimate.Constant;
import assay.estimate.Constants;
import assay.estimate.Device;
import assay.estimate.Rate;
import assay.estimate.Roofline;
import assay.model.Precision;
import assay.model.UserError;
import org.jspecify.annotations.Nullable;

/**
 * Share of the devices' peak that a training step reaches.
 *
 * @param low lower end
 * @param value what is reckoned with
 * @param high upper end
 * @param source where it is from
 */
public record Utilization(double low, double value, double high, String source) {
  /** Checks the order. */
  public Utilization {
    if (!(low > 0 && low <= value && value <= high && high <= 1)) {
      throw new UserError(
          "utilization %s to %s to %s: expected shares above 0, at most 1"
              .formatted(low, value, high));
    }
  }

  /** The rule 0.30 to 0.55 (claim C5), reckoned with its middle. */
  public static Utilization rule() {
    return new Utilization(0.30, 0.425, 0.55, "rule 0.30 to 0.55 (claim C5), not measured");
  }

  /** What the user gave; else what calibrated constants give; else the rule. */
  public static Utilization of(
      @Nullable Double given, TrainingRequest r, Device device, Constants constants) {
    if (given != null) {
      return given(given, "given by the user");
    }
    Utilization measured = measured(r, constants);
    if (measured != null) {
      return measured;
    }
    Utilization calibrated = calibrated(r, device, constants);
    return calibrated == null ? rule() : calibrated;
  }

  /** From timed training steps in this arithmetic; null where none were calibrated on. */
  private static @Nullable Utilization measured(TrainingRequest r, Constants k) {
    Constant largest = k.constant(Coefficient.TRAINING_UTILIZATION, r.types().arithmetic());
    if (largest.origin() == Constant.Origin.DEFAULT) {
      return null;
    }
    double half = k.value(Coefficient.TRAINING_HALF_TOKENS, r.types().arithmetic());
    return given(
        largest.value() * r.rows() / (r.rows() + half),
        "calibrated (" + k.name() + ") on timed training steps");
  }

  /**
   * Share of the peak that the blocks' forward pass of one micro-batch reaches with constants that
   * were fitted to measurements; the backward pass is taken at the same rate. Null with defaults,
   * and where the peak or the bandwidth is not known.
   */
  private static @Nullable Utilization calibrated(TrainingRequest r, Device d, Constants k) {
    Precision p = r.types().arithmetic();
    Rate peak = d.peaks().get(p);
    Roofline roofline = k.isCalibrated() ? Roofline.of(d, p, k) : null;
    if (roofline == null || peak == null) {
      return null;
    }
    PassCost pass =
        CostModel.pass(
            r.config(),
            StorageTypes.of(p, r.types().activations()),
            new PassShape(r.microBatch(), r.tokens(), 0, false));
    double share = pass.flops() / (peak.perSecond() * roofline.seconds(pass));
    return given(
        Math.min(1, share),
        "calibrated (" + k.name() + "): a forward pass of this micro-batch, backward at its rate");
  }

  /** One given value. */
  public static Utilization given(double value, String source) {
    if (!(value > 0 && value <= 1)) {
      throw new UserError("utilization %s: expected above 0, at most 1".formatted(value));
    }
    return new Utilization(value, value, value, source);
  }
}
