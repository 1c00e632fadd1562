package assay.results;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.model.UserError;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;

class ResultsTest {
  @TempDir Path folder;

  /** The published row, field by field: scripts are built on these names. */
  private static final String CONTRACT =
      """
      {"schema":1,"id":0,"time":0,
       "environment":{"device":0,"name":0,"cpu":0,"java":0,"assay":0,"git":0},
       "model":{"name":0,"architecture":0,"parameters":0,"layers":0,"hidden_size":0,"heads":0,
                "kv_heads":0,"vocabulary":0,"weights":0},
       "precision":0,
       "workload":{"kind":0,"batch":0,"prompt_tokens":0,"generated_tokens":0},
       "estimate":{"weights_bytes":0,"kv_cache_bytes":0,"activations_bytes":0,"workspace_bytes":0,
                   "overhead_bytes":0,"total_bytes":0,"prefill_flops":0,"decode_flops_per_token":0,
                   "prefill_seconds":0,"decode_seconds_per_token":0},
       "measured":{"weights_bytes":0,"kv_cache_bytes":0,"activations_bytes":0,"workspace_bytes":0,
                   "overhead_bytes":0,"total_bytes":0,"prefill_flops":0,"decode_flops_per_token":0,
                   "prefill_seconds":{"median":0,"min":0,"max":0,"runs":0},
                   "decode_seconds_per_token":{"median":0,"min":0,"max":0,"runs":0},
                   "prefill_flops_per_second":0,"decode_bytes_per_second":0,
                   "prefill_tokens_per_second":0,"decode_tokens_per_second":0},
       "ceilings":{"peak_flops_per_second":0,"peak_source":0,"gemm_flops_per_second":0,
                   "copy_bytes_per_second":0},
       "utilization":{"prefill_mfu":0,"decode_mfu":0,"decode_mbu":0,"device_busy":0,"rule":0,
                      "prefill_verdict":0,"decode_verdict":0}}
      """;

  @Test
  void everyFieldOfTheContractIsWritten() {
    JsonNode contract = ResultJson.mapper().readTree(CONTRACT);
    JsonNode row = ResultJson.mapper().readTree(ResultJson.line(Rows.full("a")));
    assertEquals(Set.of(), missing("", contract, row));
    assertEquals("above", row.at("/utilization/prefill_verdict").asString());
    assertEquals("[0.3,0.55]", row.at("/utilization/rule").toString());
  }

  private static Set<String> missing(String path, JsonNode wanted, JsonNode found) {
    Set<String> out = new TreeSet<>();
    wanted
        .properties()
        .forEach(
            e -> {
              JsonNode there = found.get(e.getKey());
              String at = path + "/" + e.getKey();
              if (there == null || there.isNull()) {
                out.add(at);
              } else if (e.getValue().isObject()) {
                out.addAll(missing(at, e.getValue(), there));
              }
            });
    return out;
  }

  @Test
  void aRowComesBackAsItWas() {
    ResultRow row = Rows.full("a");
    String line = ResultJson.line(row);
    assertEquals(row, ResultsReader.parse(line));
    assertFalse(line.contains("\n"));
    assertFalse(line.contains("null"), line);
    assertFalse(line.contains("driver"), "absent on a CPU: " + line);
  }

  @Test
  void fieldsOfLaterVersionsAreSkipped() {
    String line = ResultJson.line(Rows.full("a")).replaceFirst("\\{", "{\"later\":{\"x\":[1]},");
    assertEquals(Rows.full("a"), ResultsReader.parse(line));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"median\":0.021 | \"median\":-0.021 | median is -0.021",
        "\"median\":0.021 | \"median\":NaN | not JSON",
        "\"median\":0.021 | \"median\":\"NaN\" | median is NaN",
        "\"median\":0.021 | \"median\":0.5 | min ≤ median ≤ max",
        "\"median\":0.021 | \"median\":1e999 | median is Infinity",
        "\"prefill_seconds\":0.02 | \"prefill_seconds\":0 | prefill_seconds is 0.0",
        "\"weights_bytes\":30000000 | \"weights_bytes\":-1 | weights_bytes is -1",
        "\"schema\":1 | \"schema\":2 | schema 2: this version reads schema 1",
        "\"schema\":1 | \"skema\":1 | schema missing",
        "\"batch\":1 | \"batch\":0 | expected batch 1 or more",
        "\"precision\":\"bf16\" | \"p\":1 | precision is missing",
        "\"prefill_verdict\":\"above\" | \"prefill_verdict\":\"fine\" | prefill_verdict",
      })
  void aBadRowIsRefusedWithItsReason(String good, String bad, String reason) {
    String line = ResultJson.line(Rows.full("a"));
    String spoilt = line.replaceFirst(java.util.regex.Pattern.quote(good), bad);
    assertFalse(spoilt.equals(line), "the test must change something");
    UserError e = assertThrows(UserError.class, () -> ResultsReader.parse(spoilt));
    assertTrue(e.getMessage().contains(reason), e.getMessage());
    assertEquals(1, e.getMessage().lines().count(), e.getMessage());
    assertEquals(2, e.exitCode());
  }

  @Test
  void goodRowsSurviveBadLinesAndACutEnd() throws IOException {
    Path file = folder.resolve("results.jsonl");
    String a = ResultJson.line(Rows.full("a"));
    String b = ResultJson.line(Rows.full("b"));
    Files.writeString(
        file,
        a
            + "\n\nnot json\n"
            + b
            + "\n"
            + a.replace("\"schema\":1", "\"schema\":7")
            + "\n"
            + b.substring(0, 200));
    ResultsReader.Contents contents = ResultsReader.read(List.of(folder));
    assertEquals(List.of("a", "b"), contents.rows().stream().map(ResultRow::id).toList());
    List<String> problems = contents.problems().stream().map(Object::toString).toList();
    assertEquals(3, problems.size(), problems.toString());
    assertTrue(problems.get(0).startsWith(file + " line 3: not JSON"), problems.get(0));
    assertTrue(problems.get(1).startsWith(file + " line 5: schema 7"), problems.get(1));
    assertTrue(problems.get(2).startsWith(file + " line 6: cut off"), problems.get(2));
  }

  @Test
  void theSameRowInTwoFilesCountsOnce() throws IOException {
    Path one = folder.resolve("one.jsonl");
    Path two = folder.resolve("two.jsonl");
    Files.writeString(one, ResultJson.line(Rows.full("a")) + "\n");
    Files.writeString(
        two, ResultJson.line(Rows.full("a")) + "\n" + ResultJson.line(Rows.full("b")));
    assertEquals(2, ResultsReader.read(List.of(one, two)).rows().size());
  }

  @Test
  void aMissingFileIsNamed() {
    UserError e =
        assertThrows(
            UserError.class, () -> ResultsReader.read(List.of(folder.resolve("nowhere.jsonl"))));
    assertTrue(e.getMessage().contains("nowhere.jsonl"), e.getMessage());
  }

  /** After a kill in the middle of a line nothing that follows is lost or joined to it. */
  @Test
  void appendingAfterACutLineStartsANewOne() throws IOException {
    Path file = folder.resolve("results.jsonl");
    String a = ResultJson.line(Rows.full("a"));
    Files.writeString(file, a + "\n" + a.substring(0, 100));
    try (ResultsWriter writer = new ResultsWriter(file)) {
      writer.append(Rows.full("b"));
      assertEquals(2, ResultsReader.read(List.of(file)).rows().size(), "there before the close");
      writer.append(Rows.full("c"));
    }
    ResultsReader.Contents contents = ResultsReader.read(List.of(file));
    assertEquals(List.of("a", "b", "c"), contents.rows().stream().map(ResultRow::id).toList());
    assertEquals(1, contents.problems().size());
  }

  @Test
  void aFileThatCannotBeWrittenIsABadInput() {
    UserError e = assertThrows(UserError.class, () -> new ResultsWriter(folder));
    assertEquals(2, e.exitCode());
  }

  @Test
  void csvHasOneColumnPerNumberAndQuotes() {
    ResultRow odd =
        new ResultRow(
            1,
            "x,\"y\"",
            "t",
            Rows.full("a").environment(),
            Rows.full("a").model(),
            "fp32",
            Rows.full("a").workload(),
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            List.of(),
            null);
    List<String> lines = ResultsCsv.of(List.of(odd, Rows.full("a"))).lines().toList();
    assertEquals(3, lines.size());
    List<String> header = List.of(lines.get(0).split(","));
    assertTrue(header.contains("measured.prefill_seconds.median"), lines.get(0));
    assertEquals(
        "0.021", lines.get(2).split(",")[header.indexOf("measured.prefill_seconds.median")]);
    assertTrue(lines.get(1).contains("\"x,\"\"y\"\"\""), lines.get(1));
    assertEquals(header.size(), new TreeSet<>(header).size(), "no column twice");
    assertFalse(lines.get(0).contains("samples.prefill_seconds"));
  }
}
