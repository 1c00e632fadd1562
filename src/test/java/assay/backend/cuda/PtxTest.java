package assay.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/**
 * The committed PTX: made from today's sources, agreeing with {@link Kernel}, and accepted by an
 * assembler for each target, without spilled registers.
 */
class PtxTest {
  private static final Path PTX = Path.of("src/main/resources/assay/backend/cuda/ptx");
  private static final Path KERNELS = Path.of("kernels");
  private static final Pattern INCLUDE =
      Pattern.compile("^#include \"([^/\"]*)\"$", Pattern.MULTILINE);
  private static final Path TABLE = Path.of("target", "kernel-registers.csv");
  private static final Path KEPT = Path.of("target", "ptx-assembled");
  private static final Pattern ENTRY =
      Pattern.compile("\\.visible \\.entry (\\w+)\\(([^)]*)\\)\\s*\\.maxntid (\\d+), 1, 1");
  private static final Pattern TYPE = Pattern.compile("\\.param (\\.\\w+)");
  private static final Pattern COMPILED = Pattern.compile("Compiling entry function '(\\w+)'");
  private static final Pattern SPILLS = Pattern.compile("(\\d+) bytes spill stores, (\\d+) bytes");
  private static final Pattern REGISTERS = Pattern.compile("Used (\\d+) registers");

  /** A line of index.txt behind the first. */
  private record Built(String module, String target, String sources, String text) {
    Path file() {
      return PTX.resolve(module + "." + target + ".ptx.gz");
    }
  }

  private static String compiler() throws IOException {
    return Files.readAllLines(PTX.resolve("index.txt")).getFirst();
  }

  private static List<Built> index() throws IOException {
    List<Built> out = new ArrayList<>();
    for (String line : Files.readAllLines(PTX.resolve("index.txt"))) {
      String[] words = line.split(" ");
      if (!words[0].equals("compiler")) {
        out.add(new Built(words[0], words[1], words[2], words[3]));
      }
    }
    return out;
  }

  private static List<Path> files() throws IOException {
    return index().stream().map(Built::file).toList();
  }

  /** A source and every header under it, as {@code scripts/build-kernels} sums them up. */
  private static String sourcesOf(String module) throws Exception {
    TreeSet<String> files = new TreeSet<>();
    List<String> pending = new ArrayList<>(List.of(module + ".cu"));
    while (!pending.isEmpty()) {
      String name = pending.removeLast();
      if (files.add(name)) {
        Matcher m = INCLUDE.matcher(Files.readString(KERNELS.resolve(name)));
        m.results().forEach(r -> pending.add(r.group(1)));
      }
    }
    MessageDigest sum = MessageDigest.getInstance("SHA-256");
    for (String name : files) {
      sum.update(Files.readAllBytes(KERNELS.resolve(name)));
    }
    return HexFormat.of().formatHex(sum.digest());
  }

  @Test
  void isMadeFromTheseSources() throws Exception {
    TreeSet<String> expected = new TreeSet<>();
    try (Stream<Path> sources = Files.list(KERNELS)) {
      for (Path p : sources.filter(p -> p.toString().endsWith(".cu")).toList()) {
        String first = Files.readAllLines(p).getFirst();
        assertTrue(first.startsWith("// targets: "), p + " names no targets");
        String module = p.getFileName().toString().replace(".cu", "");
        for (String target : first.substring("// targets: ".length()).split(" ")) {
          expected.add(module + " " + target + " " + sourcesOf(module));
        }
      }
    }
    TreeSet<String> actual = new TreeSet<>();
    index().forEach(b -> actual.add(b.module + " " + b.target + " " + b.sources));
    assertEquals(expected, actual, "kernels/ has changed: run scripts/build-kernels");
  }

  @Test
  void isWhatTheCompilerWrote() throws Exception {
    for (Built b : index()) {
      byte[] text = PtxAssembler.read(b.file()).getBytes(StandardCharsets.US_ASCII);
      byte[] sum = MessageDigest.getInstance("SHA-256").digest(text);
      assertEquals(b.text, HexFormat.of().formatHex(sum), b.file() + " was changed by hand");
    }
  }

  /** A few modules again; .ci/run builds all of them again. */
  @Test
  void isWhatTheCompilerWritesAgain() throws Exception {
    // A skip even where everything is required: no package of the distribution has this compiler.
    Assumptions.assumeTrue(
        Stream.of(System.getenv().getOrDefault("PATH", "").split(File.pathSeparator, -1))
            .anyMatch(folder -> Files.isExecutable(Path.of(folder, "nvcc"))),
        "needs the program nvcc");
    String here = String.join(" ", finish(start(List.of("nvcc", "--version")), 0));
    String version = compiler().split(" ")[2];
    Assumptions.assumeTrue(
        here.contains("V" + version), "the PTX was made by nvcc " + version + ", here is " + here);
    Path folder = Files.createDirectories(Path.of("target", "ptx-again"));
    List<Started> builds = new ArrayList<>();
    for (String module : List.of("attention_combine", "quantize", "attention_mma_f16")) {
      builds.add(
          start(List.of("scripts/build-kernels", "--only", module, "--to", folder.toString())));
    }
    for (Started build : builds) {
      finish(build, 0);
    }
    int compared = 0;
    for (Built b : index()) {
      Path again = folder.resolve(b.file().getFileName());
      if (Files.exists(again)) {
        assertEquals(PtxAssembler.read(b.file()), PtxAssembler.read(again), b.file().toString());
        compared++;
      }
    }
    assertEquals(3, compared);
  }

  @Test
  void agreesWithTheEnum() throws IOException {
    Map<String, Kernel.Entry> known = new TreeMap<>();
    for (Kernel k : Kernel.values()) {
      k.entries().forEach(e -> known.put(e.name(), e));
    }
    TreeSet<String> seen = new TreeSet<>();
    for (Path file : files()) {
      Matcher m = ENTRY.matcher(PtxAssembler.read(file));
      while (m.find()) {
        Kernel.Entry entry = known.get(m.group(1));
        assertTrue(entry != null, file + " has an entry nobody knows: " + m.group(1));
        seen.add(entry.name());
        assertTrue(file.getFileName().toString().startsWith(entry.module() + "."), m.group(1));
        assertEquals(entry.kernel().block(), Integer.parseInt(m.group(3)), m.group(1));
        List<String> types = TYPE.matcher(m.group(2)).results().map(r -> r.group(1)).toList();
        List<String> expected =
            entry.kernel().params().stream().map(p -> p.kind().ptxType()).toList();
        assertEquals(expected, types, m.group(1));
      }
    }
    assertEquals(known.keySet(), seen);
  }

  /** Also leaves registers and spills of every kernel in {@code target/kernel-registers.csv}. */
  @Test
  void assemblesWithoutSpills() throws Exception {
    List<String> log = assembleAll();
    List<String> table =
        new ArrayList<>(List.of("file,assembled_for,kernel,registers,spill_bytes"));
    List<String> spilling = new ArrayList<>();
    String file = "";
    String kernel = "";
    int spills = 0;
    for (String line : log) {
      Matcher compiled = COMPILED.matcher(line);
      Matcher spill = SPILLS.matcher(line);
      Matcher registers = REGISTERS.matcher(line);
      if (line.startsWith("FILE ")) {
        file = line.split(" ")[1] + "," + line.split(" ")[2];
      } else if (compiled.find()) {
        kernel = compiled.group(1);
      } else if (spill.find()) {
        spills = Integer.parseInt(spill.group(1)) + Integer.parseInt(spill.group(2));
      } else if (registers.find()) {
        table.add("%s,%s,%s,%d".formatted(file, kernel, registers.group(1), spills));
        if (spills > 0) {
          spilling.add(file + " " + kernel);
        }
      }
    }
    Files.write(TABLE, table);
    int entries = 0;
    for (String line : log) {
      if (line.startsWith("FILE ")) {
        String text = PtxAssembler.read(PTX.resolve(line.split(" ")[1]));
        entries += (int) ENTRY.matcher(text).results().count();
      }
    }
    assertEquals(entries, table.size() - 1, "kernels in the assembler's log");
    assertEquals(List.of(), spilling);
  }

  /** A file and what to assemble it for. */
  private record Job(Path file, String architecture) {
    /**
     * Where the log of this very text by this very assembler is kept from one build to the next.
     */
    Path kept() throws Exception {
      MessageDigest sum = MessageDigest.getInstance("SHA-256");
      sum.update(PtxAssembler.read(file).getBytes(StandardCharsets.US_ASCII));
      for (String jar : classPath().split(File.pathSeparator)) {
        if (jar.contains("jcuda-natives")) {
          sum.update(Path.of(jar).getFileName().toString().getBytes(StandardCharsets.UTF_8));
        }
      }
      return KEPT.resolve(HexFormat.of().formatHex(sum.digest()) + "." + architecture + ".log");
    }
  }

  /** What was not assembled before, by two processes: the largest file to the one with less. */
  private static List<String> assembleAll() throws Exception {
    List<Job> jobs = new ArrayList<>();
    for (Path file : files()) {
      String name = file.getFileName().toString().replace(".ptx.gz", "");
      jobs.add(new Job(file, name.substring(name.lastIndexOf('.') + 1)));
      // What matters most on the newest cards too, where the assembler allots registers anew.
      if (name.matches("(gemv|attention)_(mma|decode_bf16|bf16).*")) {
        jobs.add(new Job(file, "sm_90"));
      }
    }
    jobs.sort(Comparator.comparingLong((Job j) -> j.file.toFile().length()).reversed());
    List<List<String>> commands = List.of(assembler(0), assembler(1));
    List<List<Job>> parts = List.of(new ArrayList<>(), new ArrayList<>());
    long[] bytes = new long[2];
    for (Job j : jobs) {
      if (Files.notExists(j.kept())) {
        int least = bytes[0] <= bytes[1] ? 0 : 1;
        bytes[least] += j.file.toFile().length();
        parts.get(least).add(j);
        commands.get(least).addAll(List.of(j.file.toString(), j.architecture));
      }
    }
    List<Started> started = new ArrayList<>();
    for (List<String> command : commands) {
      started.add(start(command));
    }
    Files.createDirectories(KEPT);
    for (int i = 0; i < 2; i++) {
      List<String> log = finish(started.get(i), 0);
      List<Integer> begins = new ArrayList<>();
      for (int l = 0; l < log.size(); l++) {
        if (log.get(l).startsWith("FILE ")) {
          begins.add(l);
        }
      }
      assertEquals(parts.get(i).size(), begins.size(), "files in the assembler's log");
      begins.add(log.size());
      for (int j = 0; j < parts.get(i).size(); j++) {
        Files.write(parts.get(i).get(j).kept(), log.subList(begins.get(j), begins.get(j + 1)));
      }
    }
    List<String> all = new ArrayList<>();
    for (Job j : jobs) {
      all.addAll(Files.readAllLines(j.kept()));
    }
    return all;
  }

  /** The check can fail: an instruction that PTX 8.0 has not is refused, garbage is not tried. */
  @Test
  void refusesWhatIsNoPtx() throws Exception {
    Path folder = Files.createDirectories(Path.of("target", "ptx-test"));
    Path garbage = Files.writeString(folder.resolve("garbage.ptx"), "not PTX at all");
    Path unknown =
        Files.writeString(
            folder.resolve("unknown.ptx"),
            ".version 8.0\n.target sm_75\n.address_size 64\n.visible .entry k()\n{\n  frob;\n}\n");
    for (Path p : List.of(garbage, unknown)) {
      List<String> command = assembler(0);
      command.addAll(List.of(p.toString(), "sm_75"));
      List<String> log = finish(start(command), 1);
      assertTrue(log.stream().anyMatch(l -> l.startsWith("ERROR")), log.toString());
    }
  }

  /**
   * A JVM of its own: the assembler takes it down on what it does not expect. With a folder of its
   * own: JCuda unpacks its natives into it, over those that another process may have open.
   */
  private static List<String> assembler(int process) throws IOException {
    Path natives =
        Files.createDirectories(Path.of("target", "ptx-natives", "" + process)).toAbsolutePath();
    return new ArrayList<>(
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-XX:TieredStopAtLevel=1",
            "--enable-native-access=ALL-UNNAMED",
            "-Djava.io.tmpdir=" + natives,
            "-cp",
            classPath(),
            PtxAssembler.class.getName()));
  }

  private static String classPath() {
    return System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
  }

  private record Started(Process process, Path out) {}

  private static Started start(List<String> command) throws IOException {
    Path out = Files.createTempFile(Path.of("target"), "ptx", ".log");
    return new Started(
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(out.toFile()).start(),
        out);
  }

  private static List<String> finish(Started s, int expectedExit) throws Exception {
    assertTrue(s.process.waitFor(5, TimeUnit.MINUTES), "the assembler hangs");
    List<String> log = Files.readAllLines(s.out, StandardCharsets.UTF_8);
    Files.delete(s.out);
    assertEquals(
        expectedExit,
        s.process.exitValue(),
        () -> String.join("\n", log.stream().filter(l -> !l.startsWith("ptxas info")).toList()));
    return log;
  }
}
