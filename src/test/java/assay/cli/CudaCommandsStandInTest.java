package assay.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.cuda.StandIn;
import assay.model.UserError;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/**
 * Commands on a GPU that is the tests' stand-in: they work, they fail as the contract says, and
 * nobody can take the stand-in for a GPU.
 */
class CudaCommandsStandInTest {
  private static final String MODEL = "src/test/resources/golden/llama";
  private static final int ILLEGAL_ADDRESS = 700;
  private static final int LAUNCH_OUT_OF_RESOURCES = 701;
  private static final int OUT_OF_MEMORY = 2;
  @TempDir Path folder;

  @AfterEach
  void nothingIsLeftOnTheDevice() {
    assertEquals(0, StandIn.liveBytes(), "bytes still allocated");
    assertEquals(0, StandIn.liveObjects(), "objects still open");
    StandIn.reset(StandIn.USUAL_BYTES, 80);
  }

  private static CommandRun onStandIn(String... arguments) {
    return on("cuda", arguments);
  }

  private static CommandRun on(String device, String... arguments) {
    List<String> all = new ArrayList<>(List.of(arguments));
    all.addAll(List.of("--device", device, "--cuda-libraries", StandIn.folderInUse()));
    return CommandRun.of(all.toArray(String[]::new));
  }

  private CommandRun logits() {
    String out = folder.resolve("logits.safetensors").toString();
    return onStandIn("logits", MODEL, "--ids", "1,2,3", "--out", out);
  }

  // ---- it works

  @Test
  void deviceTellsEverythingAndNamesTheStandIn() {
    String text = onStandIn("device").text();
    assertTrue(text.startsWith("Device: cuda (STAND-IN (not a GPU)), as asked"), text);
    for (String fact :
        List.of(
            "driver stand-in, CUDA 12.4",
            "compute_capability: 8.0",
            "multiprocessors: 4",
            "cublas: 12",
            "curand: 10.0.0",
            "power_limit_watts: 1.0",
            "ecc: ",
            "memory: 4.295 GB (4 GiB)",
            "used on the whole device: ",
            "SMs at 1 MHz, memory at 1 MHz, 1.0 W, 1 °C",
            "stand_in: true")) {
      assertTrue(text.contains(fact), fact + " in\n" + text);
    }
    assertTrue(text.matches("(?s).*kernels: (\\d+) of \\1 files load.*"), text);
    assertFalse(text.contains("FLOP/s"), "no ceiling is measured on a stand-in");
  }

  @Test
  void deviceAsJson() {
    JsonNode d = onStandIn("device", "--json").document();
    assertEquals("STAND-IN (not a GPU)", d.get("environment").get("name").asString());
    assertEquals("true", d.get("environment").get("facts").get("stand_in").asString());
    assertEquals(0, d.get("precisions").size());
    JsonNode memory = d.get("gpu").get("memory");
    assertEquals(
        96L << 20, memory.get("driver_used_bytes").asLong() - memory.get("scratch_bytes").asLong());
    assertTrue(d.get("gpu").get("kernels").size() > 20);
  }

  @Test
  void generateGivesTheTextOfTheCpu() {
    String[] arguments = {"generate", "--temperature", "0", "-n", "6", "--json"};
    JsonNode gpu = onStandIn(arguments).document();
    List<String> cpu = new ArrayList<>(List.of(arguments));
    cpu.addAll(List.of("--device", "cpu"));
    assertEquals(CommandRun.of(cpu.toArray(String[]::new)).document().get("ids"), gpu.get("ids"));
  }

  /** Both steps; between them a hand-written file takes the place of the profiler's. */
  @Test
  void countersBesideOurCounts() throws Exception {
    String counted = folder.resolve("counted.json").toString();
    CommandRun first =
        onStandIn("counters", MODEL, "--precision", "fp32", "--prompt", "12", "--counted", counted);
    assertEquals(0, first.code(), first.err());
    assertEquals("", first.out());
    Path ncu = folder.resolve("ncu.csv");
    String line =
        "\"%d\",\"1\",\"java\",\"127.0.0.1\",\"%s\",\"1\",\"7\",\"Command line profiler"
            + " metrics\",\"dram__bytes_%s.sum\",\"Kbyte\",\"%s\"\n";
    StringBuilder text =
        new StringBuilder(
            "\"ID\",\"Process ID\",\"Process Name\",\"Host Name\",\"Kernel"
                + " Name\",\"Context\",\"Stream\",\"Section Name\",\"Metric Name\",\"Metric"
                + " Unit\",\"Metric Value\"\n");
    String[] kernels = {"embed_f32_f32", "ampere_sgemm_128x64_tn", "embed_f32_f32", "gemv_f32_f32"};
    for (int i = 0; i < kernels.length; i++) {
      text.append(line.formatted(i, kernels[i], "read", "1,500.00"));
      text.append(line.formatted(i, kernels[i], "write", "0"));
    }
    java.nio.file.Files.writeString(ncu, text);
    String[] compare = {"counters", "--counted", counted, "--ncu", ncu.toString()};
    String table = CommandRun.of(compare).text();
    assertTrue(table.contains("decode pass of " + MODEL + " in fp32 on STAND-IN (not"), table);
    assertTrue(table.matches("(?s).*decode +matmul +1 +.* 1.5 MB .*"), table);
    List<String> withJson = new ArrayList<>(List.of(compare));
    withJson.add("--json");
    JsonNode d = CommandRun.of(withJson.toArray(String[]::new)).document();
    assertTrue(d.get("available").asBoolean());
    for (JsonNode o : d.get("operations")) {
      if (o.get("operation").asString().equals("matmul")) {
        assertEquals(1.5e6, o.get("dram_bytes").asDouble());
        assertEquals(
            1.5e6 / o.get("counted_bytes").asDouble(), o.get("bytes_ratio").asDouble(), 1e-12);
        assertTrue(o.get("counted_flops").asLong() > 0);
        assertFalse(o.has("counter_flops"), "no counter of instructions was given");
      }
    }
  }

  @Test
  void countersThatNcuMayNotRead() throws Exception {
    String counted = folder.resolve("counted.json").toString();
    onStandIn("counters", MODEL, "--precision", "fp32", "--prompt", "3", "--counted", counted);
    Path ncu = folder.resolve("ncu.csv");
    java.nio.file.Files.writeString(
        ncu, "==ERROR== ERR_NVGPUCTRPERM - The user does not have permission.\n");
    String[] compare = {"counters", "--counted", counted, "--ncu", ncu.toString()};
    String text = CommandRun.of(compare).text();
    assertTrue(
        text.endsWith("  not available: ERR_NVGPUCTRPERM - The user does not have permission.\n"),
        text);
  }

  // ---- nobody takes it for a GPU

  @ParameterizedTest
  @ValueSource(
      strings = {"run", "run --plan PLAN", "bench tiny", "compare tiny", "claims --measure"})
  void nothingIsMeasuredOnIt(String command) throws Exception {
    Path plan = folder.resolve("plan.json");
    java.nio.file.Files.writeString(
        plan,
        "{\"models\":[\"tiny\"],\"precisions\":[\"fp32\"],\"workloads\":[{\"batch\":1,\"prompt\":4,\"generate\":2}]}");
    List<String> words =
        new ArrayList<>(List.of(command.replace("PLAN", plan.toString()).split(" ")));
    String expected =
        "assay: --device cuda: the driver is a stand-in for tests, not a GPU: nothing is measured"
            + " on it";
    if (!command.startsWith("compare")) {
      words.addAll(List.of("--out", folder.resolve("results").toString()));
    }
    assertEquals(expected, onStandIn(words.toArray(String[]::new)).error(UserError.BAD_INPUT));
  }

  @Test
  void autoDoesNotTakeIt() {
    CommandRun run = on("auto", "generate", "--temperature", "0", "-n", "1");
    assertEquals(0, run.code(), run.err());
    assertTrue(
        run.err().contains("), because the driver is a stand-in for tests, not a GPU"), run.err());
    assertTrue(run.err().startsWith("assay: on cpu ("), run.err());
  }

  // ---- it fails as the contract says

  @Test
  void aLaunchThatFails() {
    StandIn.folderInUse();
    StandIn.fail("cuLaunchKernel", 3, LAUNCH_OUT_OF_RESOURCES);
    String line = failing();
    assertTrue(
        line.startsWith("assay: CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES in cuLaunchKernel of "), line);
  }

  /** {@link #logits} without another device, which would forget the ordered failure. */
  private String failing() {
    String out = folder.resolve("logits.safetensors").toString();
    return CommandRun.of("logits", MODEL, "--ids", "1,2,3", "--out", out, "--device", "cuda")
        .error(UserError.DEVICE_FAILED);
  }

  @Test
  void aKernelThatBreaksTheContext() {
    StandIn.folderInUse();
    StandIn.fail("run norm_rms_f32_f32", 1, ILLEGAL_ADDRESS);
    String line = failing();
    assertTrue(line.startsWith("assay: CUDA_ERROR_ILLEGAL_ADDRESS in cu"), line);
    assertTrue(line.contains("; the last kernel enqueued was "), line);
    assertEquals(0, logits().code(), "the next context works");
  }

  @Test
  void aModelThatDoesNotFit() {
    StandIn.folderInUse();
    StandIn.reset((96L << 20) + (36L << 20), 80);
    String out = folder.resolve("logits.safetensors").toString();
    String line =
        CommandRun.of("logits", "smollm2-135m", "--ids", "1", "--out", out, "--device", "cuda")
            .error(UserError.DOES_NOT_FIT);
    assertTrue(
        line.matches("assay: smollm2-135m .* \\d{9} bytes are needed, \\d{7,8} of \\d+ are free"),
        line);
  }

  @Test
  void memoryThatIsGoneWhenItIsAskedFor() {
    StandIn.folderInUse();
    StandIn.fail("cuMemAlloc", 1, OUT_OF_MEMORY);
    String out = folder.resolve("logits.safetensors").toString();
    String line =
        CommandRun.of("logits", MODEL, "--ids", "1,2", "--out", out, "--device", "cuda")
            .error(UserError.DOES_NOT_FIT);
    assertTrue(line.startsWith("assay: CUDA_ERROR_OUT_OF_MEMORY in cuMemAlloc: "), line);
  }

  @Test
  void aDeviceThatIsNotThere() {
    assertEquals(
        "assay: no GPU cuda:3: there are 0 to 0",
        on("cuda:3", "device").error(UserError.BAD_INPUT));
  }

  // ---- hosts that lack something: processes of their own

  private record Ended(int code, String out, String err) {}

  private Ended process(String... arguments) throws Exception {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx256m",
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "--add-modules=jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                    .map(p -> Path.of(p).toAbsolutePath().toString())
                    .collect(Collectors.joining(File.pathSeparator)),
                "assay.cli.Main"));
    command.addAll(List.of(arguments));
    Path out = folder.resolve("out");
    Path err = folder.resolve("err");
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().put("XDG_CACHE_HOME", folder.resolve("cache").toString());
    Process p = builder.redirectOutput(out.toFile()).redirectError(err.toFile()).start();
    assertTrue(p.waitFor(60, TimeUnit.SECONDS), "it hangs");
    return new Ended(
        p.exitValue(),
        java.nio.file.Files.readString(out, StandardCharsets.UTF_8),
        java.nio.file.Files.readAllLines(err).stream()
            .filter(l -> !l.contains("incubator"))
            .collect(Collectors.joining("\n")));
  }

  @Test
  void withoutADriver() throws Exception {
    Ended e = process("device", "--device", "cuda");
    org.junit.jupiter.api.Assumptions.assumeFalse(e.code == 0, "this host has a GPU");
    assertEquals(UserError.BAD_INPUT, e.code);
    assertTrue(e.err.startsWith("assay: no NVIDIA driver: libcuda.so.1 is neither on"), e.err);
    assertEquals("", e.out);
  }

  @Test
  void withADriverButNoCublas() throws Exception {
    String driver = StandIn.folder("driver").toString();
    Ended e = process("device", "--device", "cuda", "--cuda-libraries", driver);
    org.junit.jupiter.api.Assumptions.assumeFalse(e.code == 0, "this host has cuBLAS");
    assertEquals(UserError.BAD_INPUT, e.code);
    assertTrue(e.err.startsWith("assay: no cuBLAS: libcublas.so.12 was not found"), e.err);
    assertTrue(e.err.contains("or name their folder with --cuda-libraries"), e.err);
  }

  @Test
  void withCuda13Alone() throws Exception {
    String cuda13 = StandIn.folder("cuda13").toString();
    String out = folder.resolve("l.safetensors").toString();
    Ended e =
        process(
            "logits",
            MODEL,
            "--ids",
            "1,2,3,4,5,6,7,8,9,10",
            "--out",
            out,
            "--debug",
            "--device",
            "cuda",
            "--cuda-libraries",
            cuda13);
    assertEquals(0, e.code, e.err);
    assertTrue(e.err.contains("to libcublas.so.13 in place of libcublas.so.12"), e.err);
  }
}
