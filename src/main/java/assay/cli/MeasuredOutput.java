package assay.cli;

import assay.model.ModelConfig;
import assay.results.ResultJson;
import assay.units.Quantity;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** What a command that measures prints: one JSON document, or words and tables. */
final class MeasuredOutput {
  private final CommonOptions common;
  private final ResultsFolder folder;

  MeasuredOutput(CommonOptions common, ResultsFolder folder) {
    this.common = common;
    this.folder = folder;
  }

  /** Says what is about to be measured. */
  void begin(Devices.Chosen device, ModelConfig c, String weights) {
    begin(
        device,
        "Model: %s (%s), %s parameters, %d layers of %d, %s weights"
            .formatted(
                c.name(),
                c.architecture(),
                Quantity.count(c.parameters()),
                c.nLayers(),
                c.hiddenSize(),
                weights));
  }

  /** Says what is about to be measured, in words. */
  void begin(Devices.Chosen device, String what) {
    if (common.json) {
      common.err().println("assay: device: " + device.why());
      common.err().flush();
      return;
    }
    var info = device.backend().info();
    common.out().println("Device: " + device.why());
    common.out().printf("  %s %s%n", info.implementation(), info.facts());
    common.out().println(what);
    common.out().flush();
  }

  /** Prints what was found. */
  void end() {
    folder.render();
    Path report = folder.report();
    if (common.json) {
      Map<String, Object> document = new LinkedHashMap<>();
      document.put("results", folder.rows());
      document.put("report", report == null ? null : report.toString());
      common.out().println(ResultJson.mapper().writeValueAsString(document));
      common.out().flush();
      return;
    }
    new MeasuredTables(common.out(), folder.rows()).print(folder.rows());
    if (report != null) {
      common.out().printf("%nWritten: %s (and results.jsonl, results.csv beside it)%n", report);
    }
    common.out().flush();
  }
}
