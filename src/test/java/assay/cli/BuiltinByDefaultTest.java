package assay.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/**
 * Without a MODEL the commands take the model that comes with Assay ({@link LoraCommandsTest} has
 * run).
 */
class BuiltinByDefaultTest {
  @Test
  void generateTellsAStory() {
    CommandRun run = CommandRun.of("generate", "-n", "40", "--temperature", "0", "--json");
    JsonNode d = run.document();
    assertEquals("builtin", d.get("model").asString());
    assertEquals(4, d.get("prompt_tokens").asInt(), "Once upon a time");
    assertEquals(40, d.get("ids").size());
    // The weights are fixed and the choice is greedy; any story of the grammar begins like this.
    assertTrue(d.get("text").asString().startsWith(" there was a"), d.get("text").asString());
  }

  @Test
  void itStopsAtTheEndTokenOfItsVocabulary() {
    CommandRun run = CommandRun.of("generate", "-n", "500", "--seed", "3", "--json");
    JsonNode d = run.document();
    assertEquals("end token 1535", d.get("stopped_by").asString());
    assertEquals(1535, d.get("ids").get(d.get("ids").size() - 1).asInt());
  }

  @Test
  void compareHasAllItsColumns() {
    CommandRun run = CommandRun.of("compare", "--tokens", "120", "--precisions", "int8", "--json");
    JsonNode row = run.document().get("comparisons").get(0);
    assertEquals("builtin", row.get("model").get("name").asString());
    // A text that it learned to tell: far better than the 1536 of a uniform guess.
    double perplexity = row.get("perplexity").asDouble();
    assertTrue(perplexity > 1 && perplexity < 10, "perplexity " + perplexity);
    assertTrue(row.get("top1_agreement").asDouble() > 0.9, row.toString());
    assertTrue(row.get("weights_bytes").asLong() > 0, row.toString());
  }

  @Test
  void modelsAndMistakesNameIt() {
    JsonNode first = CommandRun.of("models", "--json").document().get("models").get(0);
    assertEquals("builtin", first.get("name").asString());
    assertEquals(1_771_648, first.get("parameters").asLong());
    String line = CommandRun.of("inspect", "no-such-model").error(2);
    assertTrue(line.contains("builtin"), line);
    for (String command : new String[] {"run", "generate", "compare", "estimate", "logits"}) {
      String help = CommandRun.of(command, "--help").text();
      assertTrue(help.contains("builtin"), command + ": " + help);
    }
  }
}
