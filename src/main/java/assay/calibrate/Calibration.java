package assay.calibrate;

import assay.estimate.Constant;
import assay.estimate.Constants;
import assay.estimate.Device;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The outcome of a calibration.
 *
 * @param name what estimates that use it are labelled with
 * @param host where the rows were measured
 * @param driver of the device, or null
 * @param date of the newest row
 * @param version of Assay that measured
 * @param device with the ceilings that the constants are shares of
 * @param constants that were fitted
 * @param replaced default of each fitted constant, by key
 * @param open keys of constants that the rows do not determine; they keep their defaults
 * @param points rows used, by precision
 * @param errors before and after, on rows that were not fitted
 * @param replayed the same with the constants fitted to all rows: what a later version of the
 *     formulas must not make worse
 * @param memoryErrors largest |predicted − measured| bytes by kind over all rows
 * @param notes rows left out, and why
 */
public record Calibration(
    String name,
    String host,
    @Nullable String driver,
    String date,
    String version,
    Device device,
    List<Constant> constants,
    Map<String, Double> replaced,
    List<String> open,
    Map<String, Integer> points,
    List<HeldOut> errors,
    List<HeldOut> replayed,
    Map<String, Long> memoryErrors,
    List<String> notes) {

  /** The same with what timed training steps reach; without a fit as it is. */
  public Calibration with(@Nullable TrainingUtilization training) {
    if (training == null) {
      return this;
    }
    List<Constant> all = new ArrayList<>(constants);
    Map<String, Double> was = new TreeMap<>(replaced);
    for (Constant c : training.constants()) {
      all.add(c);
      was.put(c.key(), Constants.defaults(device.kind()).common(c.coefficient()).value());
    }
    List<String> said = new ArrayList<>(notes);
    said.add("training: " + training.words());
    return new Calibration(
        name,
        host,
        driver,
        date,
        version,
        device,
        List.copyOf(all),
        was,
        open,
        points,
        errors,
        replayed,
        memoryErrors,
        List.copyOf(said));
  }

  /**
   * Error of one component at one precision on shapes that were left out of the fit.
   *
   * @param precision label
   * @param component {@code prefill} or {@code decode}
   * @param shapes left out one after the other
   * @param rows judged
   * @param before mean absolute relative error with the defaults
   * @param after the same with the constants fitted to the other shapes; null with a single shape
   */
  public record HeldOut(
      String precision,
      String component,
      int shapes,
      int rows,
      double before,
      @Nullable Double after) {}

  /** The defaults with these constants in their place. */
  public Constants onTopOfDefaults() {
    return Constants.defaults(device.kind()).with(name, constants);
  }
}
