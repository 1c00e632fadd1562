package assay.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.cli.RunPlan.Cell;
import assay.model.Precision;
import assay.model.UserError;
import assay.model.Workload;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RunPlanTest {
  @TempDir Path folder;

  private RunPlan read(String text) throws IOException {
    return RunPlan.read(Files.writeString(folder.resolve("plan.json"), text));
  }

  @Test
  void aGridIsEveryCombinationOnceInOrder() throws IOException {
    RunPlan p =
        read(
            """
            {"grids":[
              {"models":["tiny","gpt2"],"precisions":["fp32","int8","fp32"],
               "workloads":[{"batch":[1,4],"prompt":[16,128],"generate":5}]},
              {"models":["tiny"],"precisions":["int8"],"workloads":[{"prompt":16,"generate":5}]}],
             "warmup_seconds":0.5,"measure_seconds":2}
            """);
    assertEquals(2 * 2 * 4, p.cells().size(), "the second grid is in the first already");
    assertEquals(new Cell("tiny", Precision.FP32, new Workload(1, 16, 5)), p.cells().getFirst());
    assertEquals(new Cell("gpt2", Precision.INT8, new Workload(4, 128, 5)), p.cells().getLast());
    assertEquals(0.5, p.budget().warmupSeconds());
    assertEquals(2, p.budget().measureSeconds());
  }

  @Test
  void aFileBesideThePlanIsAModel() throws IOException {
    Files.writeString(folder.resolve("odd.json"), "{}");
    RunPlan p =
        read(
            "{\"models\":[\"odd.json\"],\"precisions\":[\"fp32\"],\"workloads\":[{\"prompt\":1}]}");
    assertEquals(folder.resolve("odd.json").toString(), p.cells().getFirst().model());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"models\":[\"tiny\"],\"precisions\":[\"fp32\"],\"workloads\":[{\"prompt\":1}],\"colour\":1}|unknown"
            + " key 'colour'",
        "{\"grids\":[{\"models\":[\"tiny\"],\"precision\":[\"fp32\"],\"workloads\":[{\"prompt\":1}]}]}|unknown"
            + " key 'precision' in a grid",
        "{\"models\":[\"tiny\"],\"precisions\":[\"fp32\"],\"workloads\":[{\"prompt\":1,\"b\":2}]}"
            + "|unknown key 'b' in a workload",
        "{\"models\":[\"tiny\"],\"precisions\":[\"fp32\"],\"workloads\":[{\"prompt\":0}]}|'prompt'"
            + " is 0",
        "{\"models\":[\"tiny\"],\"precisions\":[\"fp32\"],\"workloads\":[{\"batch\":2}]}|'prompt'"
            + " is null",
        "{\"models\":[\"tiny\"],\"precisions\":[\"fp32\"],\"workloads\":[{\"prompt\":1.5}]}"
            + "|'prompt' is 1.5",
        "{\"models\":[],\"precisions\":[\"fp32\"],\"workloads\":[{\"prompt\":1}]}|'models' is"
            + " missing",
        "{\"models\":[3],\"precisions\":[\"fp32\"],\"workloads\":[{\"prompt\":1}]}|'models' holds"
            + " 3",
        "{\"models\":[\"tiny\"],\"precisions\":[\"fp12\"],\"workloads\":[{\"prompt\":1}]}|fp12",
        "{\"models\":[\"tiny\"],\"precisions\":[\"fp32\"]}|'workloads' is missing",
        "{\"models\":[\"tiny\"],\"precisions\":[\"fp32\"],\"workloads\":[{\"prompt\":1}],"
            + "\"measure_seconds\":-1}|'measure_seconds' is -1",
        "[]|no JSON object",
        "{\"models\":|no JSON",
      })
  void whatIsWrongIsSaidInOneLineWithTheFile(String text, String expected) {
    UserError e = assertThrows(UserError.class, () -> read(text));
    assertEquals(UserError.BAD_INPUT, e.exitCode());
    assertTrue(e.getMessage().contains(expected), e.getMessage());
    assertTrue(e.getMessage().contains("plan.json"), e.getMessage());
    assertEquals(1, e.getMessage().lines().count());
  }

  @Test
  void sharesCoverAllAndDoNotOverlap() {
    List<Integer> all = new ArrayList<>();
    for (int i = 0; i < 13; i++) {
      all.add(i);
    }
    for (int n : new int[] {1, 2, 5, 13, 20}) {
      List<Integer> together = new ArrayList<>();
      for (int i = 0; i < n; i++) {
        together.addAll(Shard.of(i + "/" + n).of(all));
      }
      assertEquals(all.size(), together.size());
      assertEquals(new HashSet<>(all), new HashSet<>(together));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"4/4", "5/4", "-1/4", "1", "1/0", "a/b", "", "1/2/3", "99999999/1"})
  void sharesThatAreNone(String text) {
    assertThrows(UserError.class, () -> Shard.of(text));
  }
}
