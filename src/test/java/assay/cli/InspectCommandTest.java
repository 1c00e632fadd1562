package assay.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class InspectCommandTest {
  private static final Path LLAMA = Path.of("src/test/resources/golden/llama");
  @TempDir private Path folder;

  private static JsonNode json(String model) {
    StringWriter out = new StringWriter();
    CommandLine line = Main.commandLine().setOut(new PrintWriter(out, true));
    assertEquals(0, line.execute("inspect", model, "--json"), out.toString());
    return new JsonMapper().readTree(out.toString());
  }

  @Test
  void aCheckpointByComponent() {
    JsonNode n = json(LLAMA.toString());
    long sum = 0;
    for (JsonNode part : n.get("parameters_by_component")) {
      sum += part.longValue();
    }
    assertEquals(n.get("parameters").longValue(), sum);
    // Two embeddings, three layers of attention 64·64 + 2·32·64 + 64·64 and MLP 3·64·172, seven
    // norms.
    assertEquals(2 * 320 * 64 + 3 * (2 * 4096 + 2 * 2048 + 3 * 64 * 172) + 7 * 64, sum);
    assertEquals(4 * sum, n.get("stored_bytes_by_type").get("F32").longValue());
    assertEquals(0, n.get("non_finite").longValue());
    assertTrue(n.get("near_zero_fraction").doubleValue() > 0.001);
    assertEquals(3 * 9 + 3, n.get("tensors").size());
  }

  @Test
  void nanIsSaid() throws IOException {
    for (String name : new String[] {"config.json", "model.safetensors"}) {
      Files.copy(LLAMA.resolve(name), folder.resolve(name));
    }
    byte[] bytes = Files.readAllBytes(folder.resolve("model.safetensors"));
    bytes[bytes.length - 1] = (byte) 0x7f;
    bytes[bytes.length - 2] = (byte) 0xc0;
    Files.write(folder.resolve("model.safetensors"), bytes);
    assertEquals(1, json(folder.toString()).get("non_finite").longValue());
  }

  @Test
  void aPresetIsNotRead() {
    JsonNode n = json("llama-3.1-70b");
    assertEquals(70_553_706_496L, n.get("parameters").longValue());
    assertTrue(n.get("non_finite") == null);
  }
}
