package assay.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.results.ResultRow;
import assay.results.ResultsReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;

/**
 * The manifest's own command, run by a shell for every completion index as a cluster would: its
 * volumes are folders here, and in the place of {@code scripts/assay} stands a script that notes
 * its arguments, with which the program is then run.
 */
class KubernetesJobTest {
  private static final Path MANIFEST = Path.of("scripts", "kubernetes-job.yaml");
  private static final int CELLS = 4;
  private static final int PODS = 2;

  @TempDir Path folder;
  private Map<?, ?> job = Map.of();
  private Map<?, ?> container = Map.of();

  @BeforeEach
  void read() throws IOException {
    Load load = new Load(LoadSettings.builder().build());
    job = (Map<?, ?>) load.loadFromString(Files.readString(MANIFEST));
    List<?> containers = (List<?>) at(job, "spec", "template", "spec", "containers");
    assertEquals(1, containers.size());
    container = (Map<?, ?>) containers.getFirst();
    for (Object mount : (List<?>) at(container, "volumeMounts")) {
      Files.createDirectories(here(String.valueOf(at(mount, "mountPath"))));
    }
    Path launcher = here("/assay/scripts/assay");
    Files.createDirectories(launcher.getParent());
    Files.writeString(launcher, "#!/bin/sh\nprintf '%s\\n' \"$@\" > \"$NOTES\"\n");
    assertTrue(launcher.toFile().setExecutable(true));
    Files.writeString(
        here("/plan/small.json"),
        """
        {"model_type":"llama","num_hidden_layers":1,"hidden_size":64,"intermediate_size":96,
         "num_attention_heads":4,"num_key_value_heads":2,"vocab_size":97,
         "max_position_embeddings":64,"rms_norm_eps":1e-5,"tie_word_embeddings":false}
        """);
    Files.writeString(
        here("/plan/plan.json"),
        """
        {"models":["small.json"],"precisions":["fp32","int8"],
         "workloads":[{"batch":[1,2],"prompt":[5],"generate":3}],
         "warmup_seconds":0,"measure_seconds":0}
        """);
  }

  private static Object at(Object from, String... keys) {
    Object found = from;
    for (String key : keys) {
      found = ((Map<?, ?>) found).get(key);
      assertTrue(found != null, "the manifest has no " + String.join(".", keys));
    }
    return found;
  }

  /** A path of the pod's, in the folder that stands for the pod. */
  private Path here(String path) {
    return Path.of(folder + path);
  }

  /** What the pod's shell hands to the program at that index. */
  private List<String> arguments(int index, int shards) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    for (String part : new String[] {"command", "args"}) {
      for (Object word : (List<?>) at(container, part)) {
        String text = String.valueOf(word);
        for (Object mount : (List<?>) at(container, "volumeMounts")) {
          String path = String.valueOf(at(mount, "mountPath"));
          text = text.replace(path + "/", here(path) + "/");
        }
        command.add(text);
      }
    }
    Path notes = folder.resolve("notes-" + index);
    ProcessBuilder pod = new ProcessBuilder(command).redirectErrorStream(true);
    pod.environment().put("NOTES", notes.toString());
    // An indexed job's controller sets it in every pod.
    pod.environment().put("JOB_COMPLETION_INDEX", String.valueOf(index));
    for (Object variable : (List<?>) at(container, "env")) {
      assertEquals("SHARDS", at(variable, "name"));
      assertEquals(String.valueOf(at(job, "spec", "completions")), at(variable, "value"));
      pod.environment().put("SHARDS", String.valueOf(shards));
    }
    Process p = pod.start();
    String said =
        new String(p.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
    assertTrue(p.waitFor(20, TimeUnit.SECONDS));
    assertEquals(0, p.exitValue(), said);
    return Files.readAllLines(notes);
  }

  @Test
  void everyIndexRunsItsShareAndTheReportHasEveryRowOnce()
      throws IOException, InterruptedException {
    assertEquals("Indexed", at(job, "spec", "completionMode"));
    int completions = (int) at(job, "spec", "completions");
    for (int i = 0; i < completions; i++) {
      List<String> arguments = arguments(i, completions);
      assertEquals("run", arguments.getFirst());
      assertEquals(i + "/" + completions, arguments.get(arguments.indexOf("--shard") + 1));
    }
    // The same with fewer pods, each of them run: every run measures the machine's ceilings first.
    for (int i = 0; i < PODS; i++) {
      String[] arguments = arguments(i, PODS).toArray(String[]::new);
      CommandRun pod = CommandRun.of(arguments);
      assertEquals(0, pod.code(), pod.err());
    }
    // A pod that was evicted is started again with the same command.
    assertEquals(0, CommandRun.of(arguments(1, PODS).toArray(String[]::new)).code());
    List<String> report = new ArrayList<>(List.of("report"));
    try (var shards = Files.list(here("/results"))) {
      shards.sorted().forEach(s -> report.add(s.toString()));
    }
    assertEquals(1 + PODS, report.size());
    List<ResultRow> rows =
        ResultsReader.read(report.stream().skip(1).map(Path::of).toList()).rows();
    Set<String> cells = new HashSet<>();
    rows.forEach(
        r -> cells.add(r.precision() + r.workload().batch() + "," + r.workload().promptTokens()));
    assertEquals(CELLS, rows.size());
    assertEquals(CELLS, cells.size(), cells.toString());
    Path merged = folder.resolve("merged");
    report.addAll(List.of("--csv", "--out", merged.toString()));
    CommandRun merge = CommandRun.of(report.toArray(String[]::new));
    assertEquals(0, merge.code(), merge.err());
    assertEquals(1 + CELLS, Files.readAllLines(merged.resolve("report.csv")).size());
  }
}
