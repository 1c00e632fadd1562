package assay.cli;

import assay.backend.Backend;
import assay.backend.cuda.CudaBackend;
import assay.estimate.DeviceTable;
import assay.measure.CeilingMeter;
import assay.measure.Environments;
import assay.measure.LibraryCeilings;
import assay.measure.Predictions;
import assay.model.Precision;
import assay.model.UserError;
import assay.results.Ceilings;
import assay.results.Environment;
import assay.results.ResultJson;
import assay.units.Bytes;
import assay.units.Quantity;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
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

  @Option(
      names = "--out",
      paramLabel = "FILE",
      description = "Also writes the JSON document to a file.")
  private @Nullable Path out;

  /** Everything that was found. */
  private record Found(
      Devices.Chosen chosen,
      Environment environment,
      @Nullable GpuInspection gpu,
      Map<Precision, Ceilings> ceilings,
      Map<Precision, List<CeilingMeter.GemmSize>> sizes,
      OptionalDouble integerOpsPerSecond,
      OptionalDouble f8FlopsPerSecond,
      OptionalDouble copyBytesPerSecond,
      List<String> missing) {
    Backend device() {
      return chosen.backend();
    }
  }

  @Override
  public void run() {
    try (Devices.Chosen chosen = Devices.choose(common, threads)) {
      Found found = look(chosen);
      String document = ResultJson.mapper().writeValueAsString(document(found));
      if (out != null) {
        write(document, out);
      }
      if (common.json) {
        common.out().println(document);
        common.out().flush();
      } else {
        print(common.out(), found);
      }
    }
  }

  private static Found look(Devices.Chosen chosen) {
    Backend device = chosen.backend();
    Environment environment = Environments.describe(device);
    GpuInspection gpu = device instanceof CudaBackend cuda ? new GpuInspection(cuda) : null;
    Map<Precision, Ceilings> ceilings = new LinkedHashMap<>();
    Map<Precision, List<CeilingMeter.GemmSize>> sizes = new EnumMap<>(Precision.class);
    OptionalDouble integers = OptionalDouble.empty();
    OptionalDouble f8 = OptionalDouble.empty();
    OptionalDouble copies = OptionalDouble.empty();
    if (!device.info().isStandIn()) {
      CeilingMeter.Effort effort = CeilingMeter.Effort.usual(device);
      CeilingMeter meter =
          new CeilingMeter(
              device, effort, Predictions.datasheet(device.info(), DeviceTable.builtIn()));
      for (Precision p : Precision.values()) {
        if (device.supports(p)) {
          ceilings.put(p, meter.of(p));
          sizes.put(p, meter.sizes(p));
        }
      }
      LibraryCeilings library = new LibraryCeilings(device, effort);
      integers = library.integerOpsPerSecond();
      f8 = library.f8FlopsPerSecond();
      copies = library.copyBytesPerSecond();
    }
    return new Found(
        chosen, environment, gpu, ceilings, sizes, integers, f8, copies, missing(chosen, gpu));
  }

  private static List<String> missing(Devices.Chosen chosen, @Nullable GpuInspection gpu) {
    List<String> out = new ArrayList<>();
    if (chosen.noGpu() != null) {
      out.add("a GPU: " + chosen.noGpu());
    }
    if (gpu != null) {
      out.addAll(gpu.missing());
    }
    if (chosen.backend().info().isStandIn()) {
      out.add("a GPU: this is a stand-in for tests, no ceiling is measured on it");
    }
    for (Precision p : Precision.values()) {
      if (!chosen.backend().supports(p)) {
        out.add(p.label() + ": needs a GPU that has it");
      }
    }
    return out;
  }

  private static void write(String document, Path file) {
    try {
      Files.writeString(file, document + "\n");
    } catch (IOException e) {
      throw new UserError("cannot write %s: %s; expected a writable place".formatted(file, e));
    }
  }

  private static Map<String, Object> document(Found f) {
    Backend device = f.device();
    Map<String, Object> document = new LinkedHashMap<>();
    document.put("device", f.chosen.why());
    document.put("environment", f.environment);
    document.put("memory_total_bytes", device.memory().totalBytes());
    document.put("memory_free_bytes", device.memory().freeBytes());
    if (f.gpu != null) {
      document.put("gpu", f.gpu.document());
    }
    Map<String, Object> precisions = new LinkedHashMap<>();
    f.ceilings.forEach(
        (p, c) -> {
          Map<String, Object> one = new LinkedHashMap<>();
          one.put("prefill_arithmetic", device.arithmetic(p, true));
          one.put("decode_arithmetic", device.arithmetic(p, false));
          one.put("ceilings", c);
          one.put("gemm_sizes", f.sizes.getOrDefault(p, List.of()));
          precisions.put(p.label(), one);
        });
    document.put("precisions", precisions);
    f.integerOpsPerSecond.ifPresent(v -> document.put("int8_gemm_ops_per_second", v));
    f.f8FlopsPerSecond.ifPresent(v -> document.put("f8_gemm_flops_per_second", v));
    f.copyBytesPerSecond.ifPresent(v -> document.put("device_copy_bytes_per_second", v));
    document.put("missing", f.missing);
    return document;
  }

  private static void print(PrintWriter out, Found f) {
    Environment e = f.environment;
    out.println("Device: " + f.chosen.why());
    String threads = e.threads() == null ? "" : ", %s threads".formatted(e.threads());
    out.printf("  %s, %s cores%s%n", e.cpu(), e.cores(), threads);
    if (f.gpu == null) {
      out.printf("  %s %s%n", e.implementation(), e.facts());
    } else {
      out.printf(
          "  %s, driver %s, CUDA %s%n",
          e.implementation(), e.driver() == null ? "unknown" : e.driver(), e.cuda());
      if (e.facts() != null) {
        e.facts().forEach((name, value) -> out.printf("    %s: %s%n", name, value));
      }
    }
    out.printf(
        "  memory: %s, free %s%n",
        Bytes.formatBoth(f.device().memory().totalBytes()),
        Bytes.formatBoth(f.device().memory().freeBytes()));
    if (f.gpu != null) {
      f.gpu.print(out);
    }
    out.printf("  %s; Java %s; Assay %s (%s)%n", e.os(), e.java(), e.assay(), e.git());
    out.println();
    if (!f.ceilings.isEmpty()) {
      printCeilings(out, f);
      out.println();
    }
    out.println("Missing:");
    f.missing.forEach(m -> out.println("  " + m));
    out.flush();
  }

  private static void printCeilings(PrintWriter out, Found f) {
    TextTable t =
        new TextTable(
            1, "", "large product", "its shape", "buffers", "peak", "of the peak", "arithmetic");
    f.ceilings.forEach(
        (p, c) ->
            t.add(
                p.label(),
                rate(c.gemmFlopsPerSecond(), "FLOP/s"),
                c.gemmShape() == null ? "" : c.gemmShape(),
                c.gemmRotatingBuffers() == null ? "" : "" + c.gemmRotatingBuffers(),
                rate(c.peakFlopsPerSecond(), "FLOP/s") + " (" + c.peakSource() + ")",
                share(c),
                f.device().arithmetic(p, true)));
    t.print(out, "  ");
    printSizes(out, f);
    if (f.integerOpsPerSecond.isPresent()) {
      out.printf(
          "  int8 × int8 → int32: %s (no model's: blocks of 32 have scales of their own)%n",
          rate(f.integerOpsPerSecond.getAsDouble(), "OP/s"));
    }
    if (f.f8FlopsPerSecond.isPresent()) {
      out.printf(
          "  e4m3 × e4m3 (cuBLASLt): %s without rounding activations%n",
          rate(f.f8FlopsPerSecond.getAsDouble(), "FLOP/s"));
    }
    Ceilings c = f.ceilings.values().iterator().next();
    out.printf(
        "  memory read at %s (%s over %s)%n",
        rate(c.copyBytesPerSecond(), "B/s"),
        c.copyKind(),
        c.copyBytes() == null ? "?" : Bytes.format(c.copyBytes()));
    if (f.copyBytesPerSecond.isPresent()) {
      out.printf(
          "  memory copied at %s, bytes read and written together%n",
          rate(f.copyBytesPerSecond.getAsDouble(), "B/s"));
    }
    if (c.cacheBytes() != null) {
      out.printf(
          "  last-level cache of %s read at %s%n",
          Bytes.format(c.cacheBytes()), rate(c.cacheBytesPerSecond(), "B/s"));
    }
  }

  /** The rate over the size of the product, as far as each precision was tried. */
  private static void printSizes(PrintWriter out, Found f) {
    List<CeilingMeter.GemmSize> most =
        f.sizes.values().stream().max(Comparator.comparingInt(List::size)).orElse(List.of());
    List<String> header = new ArrayList<>(List.of("FLOP/s over the size"));
    most.forEach(s -> header.add(s.shape()));
    TextTable t = new TextTable(1, header.toArray(String[]::new));
    f.sizes.forEach(
        (p, sizes) -> {
          List<String> cells = new ArrayList<>(List.of(p.label()));
          sizes.forEach(s -> cells.add(Quantity.format(s.flopsPerSecond(), "")));
          t.add(cells.toArray(String[]::new));
        });
    t.print(out, "  ");
  }

  /** What the card's own product reaches of the datasheet; of itself it says nothing. */
  private static String share(Ceilings c) {
    Double gemm = c.gemmFlopsPerSecond();
    Double peak = c.peakFlopsPerSecond();
    return gemm == null || peak == null || !"datasheet".equals(c.peakSource())
        ? "–"
        : "%.0f %%".formatted(100 * gemm / peak);
  }

  private static String rate(@Nullable Double perSecond, String unit) {
    return perSecond == null ? "–" : Quantity.format(perSecond, unit);
  }
}
