package assay.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.results.ResultJson;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** The ledger over files as they come back from machines: cut, old, nonsensical. */
class ClaimsCommandTest {
  private static final String GOOD =
      """
      {"schema":1,"experiment":"I6","time":"2026-01-01T00:00:00Z",\
      "environment":{"device":"cpu","name":"test"},"setting":"a setting",\
      "values":{"changed_earlier_logits":0.0,"changed_later_logits":5.0,"some_seconds":1.5},\
      "points":[],"command":"a command"}\
      """;

  @TempDir Path folder;

  private static JsonNode claim(String json, String id) {
    for (JsonNode c : ResultJson.mapper().readTree(json).get("claims")) {
      if (c.get("id").stringValue().equals(id)) {
        return c;
      }
    }
    throw new AssertionError("no claim " + id);
  }

  @Test
  void everyBadLineIsNamedAndTheGoodOneJudges() throws IOException {
    List<String> lines =
        List.of(
            GOOD.replace("\"schema\":1", "\"schema\":4"),
            GOOD.replace("\"some_seconds\":1.5", "\"some_seconds\":NaN"),
            GOOD.replace("\"some_seconds\":1.5", "\"some_seconds\":-1.5"),
            "[1]",
            GOOD,
            GOOD.substring(0, 150));
    Files.writeString(folder.resolve("experiments.jsonl"), String.join("\n", lines));
    CommandRun run = CommandRun.of("claims", folder.toString(), "--only", "I6", "--json");
    assertEquals(2, run.code(), run.err());
    List<String> said = run.err().lines().toList();
    assertEquals(5, said.size(), run.err());
    String[] words = {
      "line 1: schema 4", "line 2", "-1.5: expected 0 or more", "line 4", "cut off"
    };
    for (int i = 0; i < words.length; i++) {
      assertTrue(said.get(i).contains(words[i]), words[i] + ": " + said.get(i));
    }
    assertEquals("holds", claim(run.out(), "I6").get("verdict").stringValue());
  }

  @Test
  void goodFilesAloneAreNoError() throws IOException {
    Path file = Files.writeString(folder.resolve("experiments.jsonl"), GOOD + "\n");
    JsonNode all = CommandRun.of("claims", file.toString(), "--json").document();
    assertEquals(44, all.get("claims").size());
    for (JsonNode c : all.get("claims")) {
      for (String key : List.of("statement", "source", "formula", "verdict", "why", "command")) {
        assertTrue(!c.get(key).stringValue().isBlank(), c.get("id") + " has no " + key);
      }
      assertTrue(c.has("predicted") && c.has("measured"), c.toString());
    }
    String table = CommandRun.of("claims", file.toString(), "--only", "I6").text();
    for (String word :
        List.of("I6   holds", "formula", "claimed", "found", "repeat: assay claims")) {
      assertTrue(table.contains(word), word + ": " + table);
    }
  }

  @Test
  void wrongUseIsOneLine() {
    assertTrue(CommandRun.of("claims", "--only", "Z9").error(2).contains("no claim 'Z9'"));
    String missing = folder.resolve("none.jsonl").toString();
    assertTrue(CommandRun.of("claims", missing).error(2).contains("no results at"));
    String[] text = {"claims", "--measure", "--only", "K1", "--text-file", missing, "--out", "x"};
    text[text.length - 1] = folder.resolve("out").toString();
    assertTrue(CommandRun.of(text).error(2).contains("cannot be read as a text"));
  }
}
