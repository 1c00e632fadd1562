package assay.cli;

import assay.calibrate.Calibration;
import assay.calibrate.CalibrationFile;
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
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.TensorSpec;
import assay.model.UserError;
import assay.model.WeightSource;
import assay.report.EstimatorPage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code assay estimate}: prediction alone. */
@Command(
    name = "estimate",
    mixinStandardHelpOptions = true,
    description = {
      "Predicts bytes, FLOPs and time of inference, training, LoRA and QLoRA; no device is needed.",
      "Without --gpu it compares the cards of its table."
    },
    footer = {
      "",
      "Examples:",
      "  assay estimate llama-3.1-8b --gpu 'H100 SXM5' --batch 8",
      "  assay estimate llama-3.1-8b --gpu 'H100 SXM5' --train --devices 8 --zero 3 --tokens 300G",
      "  assay estimate qwen2.5-7b --gpu 4090 --qlora int4 --context 2048"
    })
final class EstimateCommand implements Runnable {
  @Mixin private CommonOptions common;
  @Mixin private EstimateOptions what;
  @Mixin private TrainingOptions how;

  @Parameters(paramLabel = "MODEL", description = ModelArgument.HELP)
  private String model = "";

  @Option(
      names = "--stored-types",
      description = "Weights in the types of the file (a quantised GGUF as it is).")
  private boolean storedTypes;

  @Option(
      names = "--calibration",
      paramLabel = "FILE",
      description = "Constants that assay calibrate fitted; without --gpu also its device.")
  private @Nullable Path calibrationFile;

  @Option(
      names = "--html",
      paramLabel = "FILE",
      description =
          "Write a page with sliders too: batch, context, precisions, devices, card and training,"
              + " computed in the browser by this estimator's own code.")
  private @Nullable Path html;

  private @Nullable Calibration calibration;

  @Option(names = "--constants", description = "Show every constant with its source.")
  private boolean showConstants;

  @Override
  public void run() {
    ModelArgument argument = ModelArgument.of(model);
    ModelConfig config = argument.config();
    calibration = calibrationFile == null ? null : CalibrationFile.read(calibrationFile);
    what.table(); // a bad file is said before anything else
    Function<TensorSpec, DType> types = storedTypes ? typesOf(argument) : null;
    try {
      List<EstimateResult> results = new ArrayList<>();
      for (Precision p : what.precisions()) {
        results.add(estimate(config, p, types));
      }
      if (html != null) {
        writePage(html, config, results.getFirst().inference());
      }
      if (common.json) {
        print(config, results, argument, types);
      } else {
        print(config, results, types);
      }
    } catch (ArithmeticException e) {
      throw new UserError("these sizes are beyond what 64 bits can count: expected smaller ones");
    }
    common.out().flush();
  }

  private static Function<TensorSpec, DType> typesOf(ModelArgument argument) {
    try (WeightSource source = argument.weights(ModelArgument.DEFAULT_SEED)) {
      // By layer and role: a device's share of a matrix has its type too.
      Map<List<Object>, DType> types = new HashMap<>();
      for (TensorSpec t : assay.model.WeightLayout.of(source.config())) {
        types.put(
            List.of(t.layer(), t.role()), t.role().isMatrix() ? source.storedType(t) : DType.F32);
      }
      return t -> types.getOrDefault(List.<Object>of(t.layer(), t.role()), DType.F32);
    }
  }

  private EstimateResult estimate(
      ModelConfig config, Precision p, @Nullable Function<TensorSpec, DType> types) {
    Calibration k = calibration;
    Device device = what.device(common.device, p, k == null ? null : k.device());
    boolean foreign = k != null && !k.device().name().equals(device.name());
    boolean otherKind = k != null && k.device().kind() != device.kind();
    if (k != null && otherKind) {
      throw new UserError(
          "a calibration of a %s does not suit a %s: leave out --calibration or the other device"
              .formatted(k.device().kind().label(), device.kind().label()));
    }
    if (k != null && foreign) {
      common.err().printf("assay: ! constants of %s used for %s%n", k.name(), device.name());
      common.err().flush();
    }
    Constants constants = k == null ? Constants.defaults(device.kind()) : k.onTopOfDefaults();
    InferenceRequest request =
        what.request(config, p, device.kind(), types).withAdapter(how.adapterShape(config));
    InferenceEstimate e = Estimator.inference(request, device, constants);
    Capacity capacity = Capacity.of(request, device, constants);
    Parallelism spread = how.asked() ? Parallelism.NONE : how.inferenceParallelism(config);
    TrainingEstimate training = null;
    Integer fewest = null;
    List<TrainingEstimate> sharings = List.of();
    if (how.asked()) {
      TrainingRequest t = how.request(config, p, what.batch, what.contextTokens(config));
      Utilization u = how.utilization(t, device, constants);
      training = TrainingEstimator.estimate(t, device, constants, u);
      fewest = TrainingEstimator.fewestDevices(t, device, constants);
      sharings = Sharings.of(t, device, constants, u);
    }
    return new EstimateResult(
        e,
        capacity,
        SharedInference.of(request, spread, device, constants),
        training,
        fewest,
        sharings,
        Panel.of(e, capacity, training, fewest));
  }

  private void print(
      ModelConfig config,
      List<EstimateResult> results,
      ModelArgument argument,
      @Nullable Function<TensorSpec, DType> types) {
    List<Map<String, Object>> documents = new ArrayList<>();
    for (EstimateResult r : results) {
      Map<String, Object> one = EstimateJson.of(r, argument.isRandom());
      if (calibration == null && !what.namesADevice(common.device)) {
        one.put("cards", EstimateJson.cards(cards(config, r.inference(), types)));
      }
      documents.add(one);
    }
    if (documents.size() == 1) {
      common.printJson(documents.getFirst());
    } else {
      Map<String, Object> all = new LinkedHashMap<>();
      all.put("estimates", documents);
      common.printJson(all);
    }
  }

  private void print(
      ModelConfig config,
      List<EstimateResult> results,
      @Nullable Function<TensorSpec, DType> types) {
    EstimateText text = new EstimateText(common.out());
    text.model(config);
    for (EstimateResult r : results) {
      text.result(r);
      if (showConstants) {
        text.constants(r.inference());
      }
    }
    if (calibration == null && !what.namesADevice(common.device)) {
      results.forEach(r -> text.cards(cards(config, r.inference(), types)));
    }
  }

  private List<InferenceEstimate> cards(
      ModelConfig config, InferenceEstimate e, @Nullable Function<TensorSpec, DType> types) {
    List<InferenceEstimate> out = new ArrayList<>();
    for (Device d : what.table().devices()) {
      Precision p = e.request().precision();
      out.add(
          Estimator.inference(
              what.request(config, p, d.kind(), types).withAdapter(how.adapterShape(config)),
              d,
              Constants.defaults(d.kind())));
    }
    return out;
  }

  private void writePage(Path file, ModelConfig config, InferenceEstimate first) {
    if (storedTypes) {
      throw new UserError(
          "--html with --stored-types: expected one of them; the page counts types by precision");
    }
    List<EstimatorPage.Choice> choices = new ArrayList<>();
    if (calibration != null || what.saysSomethingOfADevice(common.device)) {
      List<String> options = new ArrayList<>(what.deviceOptions(common.device));
      if (calibrationFile != null) {
        options.addAll(List.of("--calibration", calibrationFile.toString()));
      }
      choices.add(choice(first.device(), first.constants(), options));
    }
    for (Device d : what.table().devices()) {
      if (choices.isEmpty() || !choices.getFirst().device().equals(d)) {
        choices.add(choice(d, Constants.defaults(d.kind()), List.of("--gpu", d.name())));
      }
    }
    Map<String, Object> initial = what.controls(config);
    initial.put("gpu", String.valueOf(firstChoice(choices, first.request().precision())));
    initial.putAll(how.controls(config));
    String made =
        ReportCommand.made()
            + " The page computes with the program's own classes, compiled to JavaScript; it loads"
            + " nothing.";
    ResultsFolder.write(
        file.toAbsolutePath(),
        EstimatorPage.of(
            new EstimatorPage.Subject(
                config, how.adapterShape(config), model, how.adapterOptions()),
            choices,
            initial,
            Runtime.getRuntime().availableProcessors(),
            made));
    common.err().println("assay: wrote " + file);
    common.err().flush();
  }

  /** The device that the user named; else the first of the table that has times to show. */
  private int firstChoice(List<EstimatorPage.Choice> choices, Precision p) {
    if (calibration == null && !what.saysSomethingOfADevice(common.device)) {
      for (int i = 0; i < choices.size(); i++) {
        if (choices.get(i).device().matmulPeak(p) != null) {
          return i;
        }
      }
    }
    return 0;
  }

  private static EstimatorPage.Choice choice(Device d, Constants constants, List<String> options) {
    StringBuilder words = new StringBuilder();
    words.append(
        constants.isCalibrated()
            ? "Times: constants calibrated on measurements (" + constants.name() + ")."
            : "Times: uncalibrated " + constants.name() + "; no figure here was measured.");
    if (d.bandwidth() != null) {
      words.append(" Card: ").append(d.bandwidth().source()).append('.');
    }
    d.notes().forEach(n -> words.append(' ').append(n).append('.'));
    return new EstimatorPage.Choice(d, constants, options, words.toString());
  }
}
