package assay.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Hosts that lack something: each in a process of its own, which finds stand-ins only where the
 * imagined host has libraries.
 */
class CudaHostsStandInTest {
  @TempDir Path folder;

  private List<String> probe(String... given) throws Exception {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx256m",
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "--enable-native-access=ALL-UNNAMED",
                "-Djava.io.tmpdir=" + folder,
                "-cp",
                Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                    .map(p -> Path.of(p).toAbsolutePath().toString())
                    .collect(java.util.stream.Collectors.joining(File.pathSeparator)),
                "assay.backend.cuda.HostProbe",
                folder.resolve("cache").toString(),
                Files.createDirectories(folder.resolve("root")).toString()));
    command.addAll(List.of(given));
    Process p = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    List<String> said =
        new String(p.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8)
            .lines()
            .toList();
    assertTrue(p.waitFor(60, TimeUnit.SECONDS));
    assertEquals(0, p.exitValue(), said.toString());
    return said;
  }

  @Test
  void withoutADriver() throws Exception {
    assertEquals(
        List.of(
            "exit 2 no NVIDIA driver: libcuda.so.1 is neither on the linker's path nor in the usual"
                + " places; install the driver, or name its folder with --cuda-libraries"),
        probe());
  }

  @Test
  void withADriverButNoCublas() throws Exception {
    List<String> said = probe(StandIn.folder("driver").toString());
    assertEquals(3, said.size(), said.toString());
    assertTrue(
        said.get(0).startsWith("missing cuBLAS: libcublas.so.12 was not found"), said.get(0));
    assertTrue(said.get(1).startsWith("missing cuRAND (libcurand.so.10)"), said.get(1));
    assertTrue(
        said.get(2).startsWith("exit 2 no cuBLAS: libcublas.so.12 was not found"), said.get(2));
    assertTrue(said.get(2).contains("--cuda-libraries"), said.get(2));
  }

  @Test
  void withoutCurand() throws Exception {
    Path some = Files.createDirectories(folder.resolve("some"));
    try (Stream<Path> all = Files.list(StandIn.folder("all"))) {
      for (Path p : all.filter(p -> !p.getFileName().toString().contains("curand")).toList()) {
        Files.createSymbolicLink(some.resolve(p.getFileName()), p);
      }
    }
    List<String> said = probe(some.toString());
    assertTrue(said.get(0).startsWith("missing cuRAND (libcurand.so.10)"), said.get(0));
    assertTrue(said.get(0).contains("large models come from our own generator"), said.get(0));
    assertEquals(List.of("weights by our own", "made true"), said.subList(3, said.size()));
  }

  @Test
  void withCuda12() throws Exception {
    assertEquals(
        List.of("cublas 12.0.0", "product 32.0", "weights by cuRAND", "made true", "uniform true"),
        probe(StandIn.folder("all").toString()));
  }

  /**
   * JCublas' native asks for libcublas.so.12, which is not there: the copy in the cache asks for
   * 13.
   */
  @Test
  void withCuda13Alone() throws Exception {
    Path cuda13 = StandIn.folder("cuda13");
    assertTrue(Files.notExists(cuda13.resolve("libcublas.so.12")));
    List<String> expected =
        List.of("cublas 13.0.0", "product 32.0", "weights by cuRAND", "made true", "uniform true");
    assertEquals(expected, probe(cuda13.toString()));
    Path copy = folder.resolve("cache/cublas13").resolve(JcudaNatives.CUBLAS);
    assertTrue(new ElfImage(Files.readAllBytes(copy)).needed().contains("libcublas.so.13"));
    // A stale or broken file of that name is replaced, not trusted.
    Files.writeString(copy, "stale");
    assertEquals(expected, probe(cuda13.toString()));
  }

  /** The usual place instead of a folder that is named. */
  @Test
  void foundUnderUsrLocalCuda() throws Exception {
    Path lib = folder.resolve("root/usr/local/cuda/lib64");
    Files.createDirectories(lib.getParent());
    Files.createSymbolicLink(lib, StandIn.folder("all"));
    try {
      assertEquals("product 32.0", probe().get(1));
    } finally {
      Files.delete(lib);
    }
  }
}
