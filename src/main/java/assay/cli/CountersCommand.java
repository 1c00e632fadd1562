package assay.cli;

import assay.backend.Backend;
import assay.backend.cuda.CudaBackend;
import assay.measure.WatchedPasses;
import assay.measure.inspect.HardwareCounters;
import assay.measure.inspect.NcuCsv;
import assay.model.Precision;
import assay.model.UserError;
import assay.model.WeightSource;
import assay.results.ResultJson;
import assay.units.Bytes;
import assay.units.Quantity;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.core.JacksonException;

/**
 * {@code assay counters}: our counts beside the hardware's, in two steps, since the first runs
 * inside NVIDIA's profiler. It is for {@code scripts/gpu-check} and therefore not listed.
 */
@Command(
    name = "counters",
    hidden = true,
    mixinStandardHelpOptions = true,
    description = {
      "Counted bytes and FLOPs beside the hardware's counters. With MODEL: counts one prefill and"
          + " one decode pass and runs them once more for a profiler. With --ncu: compares."
    },
    footer = {
      "",
      "Example:",
      "  ncu --profile-from-start off --csv --log-file ncu.csv --metrics dram__bytes_read.sum,… \\",
      "    assay counters tinyllama-1.1b --prompt 256 --counted counted.json",
      "  assay counters --counted counted.json --ncu ncu.csv"
    })
final class CountersCommand implements Runnable {
  @Mixin private CommonOptions common;

  @Parameters(paramLabel = "MODEL", arity = "0..1", description = ModelArgument.HELP)
  private @Nullable String model;

  @Option(names = "--precision", defaultValue = "bf16", description = "Default: bf16.")
  private String precision = "bf16";

  @Option(
      names = "--prompt",
      paramLabel = "N",
      defaultValue = "256",
      description = "Tokens of the prefill. Default: ${DEFAULT-VALUE}.")
  private String prompt = "256";

  @Option(
      names = "--counted",
      paramLabel = "FILE",
      required = true,
      description = "What was counted: written with MODEL, read with --ncu.")
  private Path counted = Path.of("");

  @Option(names = "--ncu", paramLabel = "FILE", description = "What ncu --csv --log-file wrote.")
  private @Nullable Path ncu;

  /** What the first step leaves for the second. */
  private record CountedFile(
      String device,
      String model,
      String precision,
      int promptTokens,
      List<HardwareCounters.Counted> operations) {}

  @Override
  public void run() {
    if ((model == null) == (ncu == null)) {
      throw new UserError("counters: expected either MODEL or --ncu FILE");
    }
    if (ncu != null) {
      compare(ncu);
    } else {
      count(String.valueOf(model));
    }
  }

  private void count(String name) {
    Precision p = Precision.of(precision);
    int tokens = MeasureOptions.counts("--prompt", List.of(prompt)).getFirst();
    try (WeightSource weights = ModelArgument.of(name).weights(ModelArgument.DEFAULT_SEED);
        Backend device = Devices.open(common)) {
      List<HardwareCounters.Counted> operations =
          WatchedPasses.run(
              device,
              weights,
              p,
              tokens,
              passes -> {
                if (device instanceof CudaBackend gpu) {
                  gpu.profiled(passes);
                } else {
                  passes.run();
                }
              });
      CountedFile file = new CountedFile(device.info().name(), name, p.label(), tokens, operations);
      try {
        Files.writeString(counted, ResultJson.mapper().writeValueAsString(file));
      } catch (IOException e) {
        throw new UserError("cannot write %s: %s".formatted(counted, e));
      }
    }
  }

  private void compare(Path ncuFile) {
    CountedFile ours = readCounted();
    NcuCsv.Contents theirs = NcuCsv.parse(read(ncuFile), HardwareCounters::uses);
    List<HardwareCounters.Line> lines =
        theirs.launches().isEmpty() ? List.of() : lines(ours, theirs, ncuFile);
    String reason = lines.isEmpty() ? reason(theirs) : null;
    if (common.json) {
      json(ours, theirs, lines, reason);
    } else {
      print(common.out(), ours, theirs, lines, reason);
    }
  }

  private static List<HardwareCounters.Line> lines(
      CountedFile ours, NcuCsv.Contents theirs, Path ncuFile) {
    try {
      return HardwareCounters.compare(ours.operations, theirs.launches());
    } catch (IllegalArgumentException e) {
      throw new UserError(
          "%s: %s: expected what ncu wrote beside that count".formatted(ncuFile, e.getMessage()));
    }
  }

  private static String reason(NcuCsv.Contents theirs) {
    return theirs.errors().isEmpty()
        ? "ncu wrote no launch of a kernel"
        : String.join("; ", theirs.errors());
  }

  private CountedFile readCounted() {
    try {
      return ResultJson.mapper().readValue(read(counted), CountedFile.class);
    } catch (JacksonException e) {
      throw new UserError(counted + ": expected what assay counters MODEL --counted wrote");
    }
  }

  private static String read(Path file) {
    try {
      return new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
    } catch (NoSuchFileException e) {
      throw new UserError("no file at " + file);
    } catch (IOException e) {
      throw new UserError("cannot read " + file + ": " + e);
    }
  }

  private void json(
      CountedFile ours,
      NcuCsv.Contents theirs,
      List<HardwareCounters.Line> lines,
      @Nullable String reason) {
    Map<String, Object> document = new LinkedHashMap<>();
    document.put("device", ours.device);
    document.put("model", ours.model);
    document.put("precision", ours.precision);
    document.put("prompt_tokens", ours.promptTokens);
    document.put("available", reason == null);
    if (reason != null) {
      document.put("reason", reason);
    }
    document.put("cut_launches", theirs.cutLaunches());
    document.put("operations", lines.stream().map(CountersCommand::document).toList());
    common.out().println(ResultJson.mapper().writeValueAsString(document));
    common.out().flush();
  }

  private static Map<String, Object> document(HardwareCounters.Line l) {
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("phase", l.phase());
    out.put("operation", l.operation());
    out.put("launches", l.launches());
    out.put("counted_bytes", l.countedBytes());
    put(out, "dram_bytes", l.dramBytes());
    put(out, "bytes_ratio", l.bytesRatio());
    out.put("counted_flops", l.countedFlops());
    put(out, "counter_flops", l.counterFlops());
    put(out, "flops_ratio", l.flopsRatio());
    return out;
  }

  private static void put(Map<String, Object> document, String name, @Nullable Double value) {
    if (value != null) {
      document.put(name, value);
    }
  }

  private static void print(
      PrintWriter out,
      CountedFile ours,
      NcuCsv.Contents theirs,
      List<HardwareCounters.Line> lines,
      @Nullable String reason) {
    out.printf(
        "Hardware counters: one prefill of %d tokens and one decode pass of %s in %s on %s%n",
        ours.promptTokens, ours.model, ours.precision, ours.device);
    if (reason != null) {
      out.println("  not available: " + reason);
      out.flush();
      return;
    }
    TextTable t =
        new TextTable(
            2,
            "",
            "",
            "launches",
            "bytes: counted",
            "by the memory's counters",
            "ratio",
            "FLOPs: counted",
            "by instructions",
            "ratio");
    lines.forEach(
        l ->
            t.add(
                l.phase(),
                l.operation(),
                l.launches() == 0 ? "in another" : Integer.toString(l.launches()),
                Bytes.format(l.countedBytes()),
                l.dramBytes() == null ? "–" : Bytes.format(Math.round(l.dramBytes())),
                ratio(l.bytesRatio()),
                Quantity.format((double) l.countedFlops(), ""),
                l.counterFlops() == null ? "–" : Quantity.format(l.counterFlops(), ""),
                ratio(l.flopsRatio())));
    t.print(out, "  ");
    if (theirs.cutLaunches() > 0) {
      out.println("  ncu was cut off: the launches behind these are missing");
    }
    out.flush();
  }

  private static String ratio(@Nullable Double r) {
    return r == null ? "–" : "%.3f".formatted(r);
  }
}
