package assay.estimate.browser;

import assay.estimate.Capacity;
import assay.estimate.Constants;
import assay.estimate.Device;
import assay.estimate.Estimator;
import assay.estimate.InferenceEstimate;
import assay.estimate.InferenceRequest;
import assay.estimate.Parallelism;
import assay.estimate.SharedInference;
import assay.estimate.rules.Panel;
import assay.estimate.training.Sharings;
import assay.estimate.training.TrainingEstimate;
import assay.estimate.training.TrainingEstimator;
import assay.estimate.training.TrainingRequest;
import assay.estimate.training.Utilization;
import assay.model.AdapterShape;
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
      out = answer(Facts.model(model), Facts.adapter(model), device, question);
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
      ModelConfig config, @Nullable AdapterShape adapter, String deviceText, String questionText) {
    Device device = Facts.device(deviceText);
    Constants constants = Facts.constants(deviceText);
    Question q = new Question(config, adapter, questionText);
    InferenceRequest r = q.inference(device.kind());
    InferenceEstimate e = Estimator.inference(r, device, constants);
    Map<String, @Nullable Object> out = new LinkedHashMap<>();
    if (q.isPoint()) {
      out.put("estimate", Answer.point(e));
      return out;
    }
    List<String> warnings = new ArrayList<>(e.warnings());
    Parallelism spread = spread(q, warnings);
    Capacity capacity = Capacity.of(r, device, constants);
    SharedInference shared =
        spread == null ? null : SharedInference.of(r, spread, device, constants);
    out.put("estimate", Answer.inference(e, capacity, shared));
    TrainingEstimate training = null;
    Integer fewest = null;
    if (q.trains()) {
      try {
        TrainingRequest t = q.training();
        Utilization u = q.utilization(t, device, constants);
        training = TrainingEstimator.estimate(t, device, constants, u);
        training.warnings().stream().filter(w -> !warnings.contains(w)).forEach(warnings::add);
        fewest = TrainingEstimator.fewestDevices(t, device, constants);
        List<TrainingEstimate> sharings = Sharings.of(t, device, constants, u);
        out.put("training", Answer.training(training, fewest, sharings));
      } catch (UserError error) {
        warnings.add(String.valueOf(error.getMessage()));
      }
    }
    out.put("rules", Answer.rules(Panel.of(e, capacity, training, fewest)));
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
