package assay.estimate.browser;

import assay.estimate.Capacity;
import assay.estimate.Constants;
import assay.estimate.Device;
import assay.estimate.Estimator;
import assay.estimate.InferenceEstimate;
import assay.estimate.InferenceRequest;
import assay.estimate.Parallelism;
import assay.estimate.training.TrainingEstimate;
import assay.estimate.training.TrainingEstimator;
import assay.estimate.training.TrainingRequest;
import assay.model.ModelConfig;
import assay.model.UserError;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.teavm.jso.JSExport;

/** What the page's script calls. */
public final class BrowserEstimator {
  private BrowserEstimator() {}

  /** The compiler's starting point; it does nothing. */
  public static void main(String[] arguments) {}

  /**
   * One estimate.
   *
   * @param model written by {@link Facts}
   * @param device written by {@link Facts}
   * @param question options as {@code name=value} lines
   * @return JSON under the names of {@code estimate --json}, or an object with {@code error}
   */
  @JSExport
  public static String assayEstimate(String model, String device, String question) {
    Map<String, @Nullable Object> out;
    try {
      out = answer(Facts.model(model), device, question);
    } catch (UserError e) {
      out = new LinkedHashMap<>();
      out.put("error", e.getMessage());
    } catch (ArithmeticException e) {
      out = new LinkedHashMap<>();
      out.put("error", "these sizes are beyond what 64 bits can count: expected smaller ones");
    }
    return JsonText.of(out);
  }

  private static Map<String, @Nullable Object> answer(
      ModelConfig config, String deviceText, String questionText) {
    Device device = Facts.device(deviceText);
    Constants constants = Facts.constants(deviceText);
    Question q = new Question(config, questionText);
    InferenceRequest r = q.inference(device.kind());
    InferenceEstimate e = Estimator.inference(r, device, constants);
    List<String> warnings = new ArrayList<>(e.warnings());
    Map<String, @Nullable Object> out = new LinkedHashMap<>();
    Parallelism spread = spread(q, warnings);
    Long perDevice =
        spread == null
            ? null
            : Long.valueOf(
                Capacity.bytesPerDevice(r, r.size().batch(), r.size().contextTokens(), spread)
                    + e.overheadBytes());
    out.put("estimate", Answer.inference(e, Capacity.of(r, device, constants), spread, perDevice));
    if (q.trains()) {
      try {
        TrainingRequest t = q.training();
        TrainingEstimate training =
            TrainingEstimator.estimate(t, device, constants, q.utilization());
        training.warnings().stream().filter(w -> !warnings.contains(w)).forEach(warnings::add);
        Integer fewest = TrainingEstimator.fewestDevices(t, device, constants);
        out.put("training", Answer.training(training, fewest));
      } catch (UserError error) {
        warnings.add(String.valueOf(error.getMessage()));
      }
    }
    out.put("device_memory_bytes", device.memoryBytes());
    out.put("calibrated", constants.isCalibrated());
    out.put("warnings", warnings);
    return out;
  }

  /** Null, with a warning, where the devices cannot share the model. */
  private static @Nullable Parallelism spread(Question q, List<String> warnings) {
    try {
      return q.trains() ? Parallelism.NONE : q.spread();
    } catch (UserError e) {
      warnings.add(String.valueOf(e.getMessage()));
      return null;
    }
  }
}
