package assay.report;

import assay.estimate.Constants;
import assay.estimate.Device;
import assay.estimate.browser.Facts;
import assay.model.AdapterShape;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.units.Bytes;
import assay.units.Quantity;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The estimator as a page: sliders and choices, computed in the browser by the estimator's own
 * classes ({@code assay.estimate.browser}, compiled to JavaScript by the build).
 */
public final class EstimatorPage {
  private EstimatorPage() {}

  /**
   * A device to choose.
   *
   * @param device its figures
   * @param constants to reckon with there
   * @param options that mean it on the command line
   * @param provenance where its figures and the constants are from, in words
   */
  public record Choice(
      Device device, Constants constants, List<String> options, String provenance) {}

  /**
   * What the page is about.
   *
   * @param config the model
   * @param adapter low-rank adapters to train, or null
   * @param argument that means the model on the command line
   * @param options that mean the adapters there
   */
  public record Subject(
      ModelConfig config, @Nullable AdapterShape adapter, String argument, List<String> options) {}

  /**
   * The page.
   *
   * @param subject the model, and adapters
   * @param choices devices, the first of them chosen at the start
   * @param initial the controls' state at the start, under the names of the options
   * @param workers threads of a CPU
   * @param made what wrote the page, and when
   */
  public static String of(
      Subject subject,
      List<Choice> choices,
      Map<String, Object> initial,
      int workers,
      String made) {
    ModelConfig config = subject.config();
    Map<String, Object> data = new LinkedHashMap<>();
    data.put("model", Facts.write(config, subject.adapter()));
    data.put("name", config.name());
    data.put("argument", subject.argument());
    data.put("options", subject.options());
    data.put("adapter", subject.adapter() != null);
    data.put("gated", config.gatedMlp());
    data.put("facts", facts(config));
    data.put("positions", config.maxSeqLen());
    data.put("workers", workers);
    data.put("precisions", Arrays.stream(Precision.values()).map(Precision::label).toList());
    List<Map<String, Object>> devices = new ArrayList<>();
    for (Choice c : choices) {
      Map<String, Object> one = new LinkedHashMap<>();
      one.put("name", c.device().name());
      one.put("about", about(c.device()));
      one.put("text", Facts.write(c.device(), c.constants()));
      one.put("options", c.options());
      one.put("provenance", c.provenance());
      devices.add(one);
    }
    data.put("devices", devices);
    data.put("initial", initial);
    data.put("made", made);
    return new Page("Assay: what " + config.name() + " needs")
        .style("estimator.css")
        .data("data", data)
        .plots()
        .script("estimator.js")
        .script("estimator-page.js")
        .html(Page.markup("estimator.html"));
  }

  private static String facts(ModelConfig c) {
    return "%s: %s parameters, %d layers of %d, %d heads (%d of keys and values), vocabulary %s, %s positions"
        .formatted(
            c.architecture(),
            Quantity.count(c.parameters()),
            c.nLayers(),
            c.hiddenSize(),
            c.nHeads(),
            c.nKvHeads(),
            Quantity.count(c.vocabSize()),
            Quantity.count(c.maxSeqLen()));
  }

  private static String about(Device d) {
    List<String> out = new ArrayList<>();
    if (d.memoryBytes() != null) {
      out.add(Bytes.format(d.memoryBytes()));
    }
    if (d.bandwidth() != null) {
      out.add(Quantity.format(d.bandwidth().perSecond(), "B/s"));
    }
    return String.join(", ", out);
  }
}
