package assay.cli;

import assay.backend.Backend;
import assay.estimate.DeviceTable;
import assay.measure.CeilingMeter;
import assay.measure.Environments;
import assay.measure.Predictions;
import assay.model.Precision;
import assay.results.Ceilings;
import assay.results.Environment;
import assay.results.ResultJson;
import assay.units.Bytes;
import assay.units.Quantity;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code assay device}: what is here, how fast it can be, what is missing. */
@Command(
    name = "device",
    mixinStandardHelpOptions = true,
    description =
        "What is here: the device that would be taken and why, its precisions with the arithmetic"
            + " they really use, measured ceilings, and what is missing.",
    footer = {"", "Example:", "  assay device --device cpu"})
final class DeviceCommand implements Runnable {
  @Mixin private CommonOptions common;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Threads on a CPU; one per core unless given.")
  private @Nullable Integer threads;

  @Override
  public void run() {
    try (Devices.Chosen chosen = Devices.choose(common.device, threads)) {
      Backend device = chosen.backend();
      Environment environment = Environments.describe(device);
      Map<Precision, Ceilings> ceilings = ceilings(device);
      List<String> missing = missing(device);
      if (common.json) {
        json(chosen, environment, ceilings, missing);
      } else {
        print(common.out(), chosen, environment, ceilings, missing);
      }
    }
  }

  private static Map<Precision, Ceilings> ceilings(Backend device) {
    CeilingMeter meter =
        new CeilingMeter(
            device,
            CeilingMeter.Effort.usual(device),
            Predictions.datasheet(device.info(), DeviceTable.builtIn()));
    Map<Precision, Ceilings> out = new LinkedHashMap<>();
    for (Precision p : Precision.values()) {
      if (device.supports(p)) {
        out.put(p, meter.of(p));
      }
    }
    return out;
  }

  private static List<String> missing(Backend device) {
    List<String> out = new ArrayList<>();
    if (device.sharesHostMemory()) {
      out.add("a GPU: " + Devices.noGpu());
    }
    for (Precision p : Precision.values()) {
      if (!device.supports(p)) {
        out.add(p.label() + ": needs a GPU that has it");
      }
    }
    return out;
  }

  private void json(
      Devices.Chosen chosen,
      Environment environment,
      Map<Precision, Ceilings> ceilings,
      List<String> missing) {
    Map<String, Object> document = new LinkedHashMap<>();
    document.put("device", chosen.why());
    document.put("environment", environment);
    document.put("memory_total_bytes", chosen.backend().memory().totalBytes());
    document.put("memory_free_bytes", chosen.backend().memory().freeBytes());
    Map<String, Object> precisions = new LinkedHashMap<>();
    ceilings.forEach(
        (p, c) -> {
          Map<String, Object> one = new LinkedHashMap<>();
          one.put("prefill_arithmetic", chosen.backend().arithmetic(p, true));
          one.put("decode_arithmetic", chosen.backend().arithmetic(p, false));
          one.put("ceilings", c);
          precisions.put(p.label(), one);
        });
    document.put("precisions", precisions);
    document.put("missing", missing);
    common.out().println(ResultJson.mapper().writeValueAsString(document));
    common.out().flush();
  }

  private static void print(
      PrintWriter out,
      Devices.Chosen chosen,
      Environment e,
      Map<Precision, Ceilings> ceilings,
      List<String> missing) {
    Backend device = chosen.backend();
    out.println("Device: " + chosen.why());
    out.printf("  %s, %s cores, %s threads%n", e.cpu(), e.cores(), e.threads());
    out.printf("  %s %s%n", e.implementation(), e.facts());
    out.printf(
        "  memory: %s, free %s%n",
        Bytes.formatBoth(device.memory().totalBytes()),
        Bytes.formatBoth(device.memory().freeBytes()));
    out.printf("  %s; Java %s; Assay %s (%s)%n", e.os(), e.java(), e.assay(), e.git());
    out.println();
    TextTable t = new TextTable(1, "", "large product", "its shape", "peak", "arithmetic");
    ceilings.forEach(
        (p, c) ->
            t.add(
                p.label(),
                rate(c.gemmFlopsPerSecond(), "FLOP/s"),
                c.gemmShape() == null ? "" : c.gemmShape(),
                rate(c.peakFlopsPerSecond(), "FLOP/s") + " (" + c.peakSource() + ")",
                device.arithmetic(p, true)));
    t.print(out, "  ");
    ceilings.values().stream()
        .findFirst()
        .ifPresent(
            c -> {
              out.printf(
                  "  memory read at %s (%s over %s)%n",
                  rate(c.copyBytesPerSecond(), "B/s"),
                  c.copyKind(),
                  c.copyBytes() == null ? "?" : Bytes.format(c.copyBytes()));
              if (c.cacheBytes() != null) {
                out.printf(
                    "  last-level cache of %s read at %s%n",
                    Bytes.format(c.cacheBytes()), rate(c.cacheBytesPerSecond(), "B/s"));
              }
            });
    out.println();
    out.println("Missing:");
    missing.forEach(m -> out.println("  " + m));
    out.flush();
  }

  private static String rate(@Nullable Double perSecond, String unit) {
    return perSecond == null ? "–" : Quantity.format(perSecond, unit);
  }
}
