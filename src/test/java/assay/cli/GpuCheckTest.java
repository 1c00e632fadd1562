package assay.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.testing.Requires;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code scripts/gpu-check} with scripts in the places of Assay and of NVIDIA's profiler: what it
 * does with parts that hang, fail or are not there. Nothing is measured.
 */
class GpuCheckTest {
  @TempDir Path folder;

  @BeforeEach
  void tools() throws IOException {
    Requires.tool("bash");
    Requires.tool("timeout");
    Files.copy(Path.of("scripts/gpu-check"), folder.resolve("gpu-check"));
    assertTrue(folder.resolve("gpu-check").toFile().setExecutable(true));
  }

  private void script(String name, String text) throws IOException {
    Path file = Files.writeString(folder.resolve(name), "#!/usr/bin/env bash\n" + text + "\n");
    assertTrue(file.toFile().setExecutable(true));
  }

  private record Ended(int code, String out, String err, double seconds) {}

  private Ended check(String seconds) throws Exception {
    Path out = folder.resolve("stdout");
    Path err = folder.resolve("stderr");
    ProcessBuilder builder =
        new ProcessBuilder(
            folder.resolve("gpu-check").toString(), folder.resolve("results").toString());
    builder.environment().put("ASSAY_GPU_CHECK_SECONDS", seconds);
    builder.environment().put("ASSAY_GPU_CHECK_PYTHON", folder.resolve("no-python").toString());
    builder.environment().put("ASSAY_GPU_CHECK_NCU", folder.resolve("ncu").toString());
    long began = System.nanoTime();
    Process p = builder.redirectOutput(out.toFile()).redirectError(err.toFile()).start();
    assertTrue(p.waitFor(60, TimeUnit.SECONDS), "it hangs");
    double took = (System.nanoTime() - began) * 1e-9;
    return new Ended(p.exitValue(), Files.readString(out), Files.readString(err), took);
  }

  /** How each part ended, and its limit in seconds. */
  private Map<String, List<String>> parts() throws IOException {
    Map<String, List<String>> out = new HashMap<>();
    for (String line : Files.readAllLines(folder.resolve("results/parts.tsv"))) {
      String[] cells = line.split("\t");
      out.put(cells[0], List.of(cells[1], cells[3]));
    }
    return out;
  }

  @Test
  void aPartThatHangsIsKilledAndTheOthersRun() throws Exception {
    script(
        "assay",
        """
        case "$1 $2" in
          "device --out") echo '{}' > "$3"; echo "the device"; trap '' INT TERM; while :; do sleep 0.2; done ;;
          "run qwen2.5-14b") echo "assay: qwen2.5-14b does not fit: 2 bytes are needed, 1 of 1 are free" >&2; exit 3 ;;
        esac\
        """);
    Ended e = check("27");
    assertEquals(0, e.code, e.err);
    Map<String, List<String>> parts = parts();
    // 13 s and a second's grace each are promised to the seven parts behind it, 2 to the page.
    int limit = Integer.parseInt(parts.get("device").getLast());
    assertTrue(limit >= 1 && limit <= 27 - (13 + 7) - 2 - 1, limit + " s");
    assertTrue(e.seconds < 27, e.seconds + " s");
    assertEquals("cut off", parts.get("device").getFirst());
    assertEquals("exit 3", parts.get("run-14b").getFirst());
    for (String done : List.of("run-8b", "run-tiny", "run-0.5b", "run-1.1b", "sweep-batch")) {
      assertEquals("done", parts.get(done).getFirst(), done);
    }
    assertEquals("only in a bundle", parts.get("tests").getFirst());
    assertTrue(parts.get("pytorch").getFirst().startsWith("no PyTorch that sees a GPU in "));
    assertTrue(e.out.contains("run-14b: assay: qwen2.5-14b does not fit: 2 bytes"), e.out);
    assertTrue(e.out.contains("\nthe device\n"), e.out);
    assertTrue(e.out.contains("Hardware counters\n  not available: no ncu on the PATH"), e.out);
    assertTrue(Files.exists(folder.resolve("results/device.json")));
  }

  @Test
  void withoutAGpuTheProgramsOwnLineAndCode() throws Exception {
    script("assay", "echo 'assay: no NVIDIA driver: install it' >&2; exit 2");
    Ended e = check("20");
    assertEquals(2, e.code);
    assertEquals("gpu-check: no NVIDIA driver: install it\n", e.err);
    assertTrue(Files.notExists(folder.resolve("results")));
  }

  /** Asked for are the counters that the card has, a sum rather than its parts. */
  @Test
  void countersOfThisCard() throws Exception {
    script(
        "assay",
        """
        [ "$1" = counters ] || exit 0
        case "$*" in
          *--json*) echo '{"available":true}' ;;
          *--ncu*) echo "a table" ;;
          *) while [ $# -gt 0 ]; do [ "$1" != --counted ] || echo counted > "$2"; shift; done ;;
        esac\
        """);
    script(
        "ncu",
        """
        if [ "$1" = --query-metrics ]; then
          printf '%s  Counter  op  # of something\\n' dram__bytes dram__bytes_op_read dram__bytes_op_write \\
            smsp__sass_thread_inst_executed_op_ffma_pred_on sm__ops_path_tensor_src_bf16_dst_fp32_sparsity_off \\
            sm__ops_path_tensor_src_int8
          exit
        fi
        echo "$*" > "${0%/*}/asked"
        while [ $# -gt 0 ]; do
          case $1 in
            --log-file) echo csv > "$2"; shift 2 ;;
            */assay) exec "$@" ;;
            *) shift ;;
          esac
        done\
        """);
    Ended e = check("60");
    assertEquals(0, e.code, e.err);
    assertEquals("done", parts().get("counters").getFirst());
    assertTrue(e.out.contains("\na table\n"), e.out);
    String asked = Files.readString(folder.resolve("asked"));
    assertTrue(
        asked.contains(
            " --metrics dram__bytes_op_read.sum,dram__bytes_op_write.sum,"
                + "sm__ops_path_tensor_src_bf16_dst_fp32_sparsity_off.sum,"
                + "smsp__sass_thread_inst_executed_op_ffma_pred_on.sum "),
        asked);
    assertTrue(asked.contains("--profile-from-start off"), asked);
    assertTrue(Files.readString(folder.resolve("results/counters.json")).contains("true"));
  }
}
