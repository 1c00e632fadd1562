package assay.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Blocks of quantised random weights, and the values that llama.cpp (v0.5.0, llama-quantize
 * --allow-requantize … F32) reads in them: equal to the last bit, but for the sign of zero.
 */
class BlockVectorsTest {
  @TestFactory
  Stream<DynamicTest> blocks() throws IOException {
    List<DynamicTest> out = new ArrayList<>();
    Path file = Path.of("src/test/resources/golden-blocks.json");
    for (JsonNode block : new JsonMapper().readTree(Files.readString(file))) {
      String type = block.get("type").stringValue();
      out.add(DynamicTest.dynamicTest(type + " " + out.size(), () -> check(type, block)));
    }
    assertEquals(16, out.size());
    return out.stream();
  }

  private static void check(String name, JsonNode block) {
    DType type = DType.valueOf(name);
    byte[] bytes = HexFormat.of().parseHex(block.get("bytes").stringValue());
    assertEquals(type.blockBytes(), bytes.length);
    int n = block.get("values").size();
    assertEquals(type.blockElements(), n);
    float[] actual = new float[n];
    try (Arena arena = Arena.ofConfined()) {
      // An odd address: blocks of 18 or 22 bytes lie anywhere.
      MemorySegment all = arena.allocate(bytes.length + 1L);
      MemorySegment.copy(bytes, 0, all, java.lang.foreign.ValueLayout.JAVA_BYTE, 1, bytes.length);
      BlockFormat.decodeRow(type, all, 1, n, actual, 0);
    }
    for (int i = 0; i < n; i++) {
      float expected = (float) block.get("values").get(i).doubleValue();
      assertEquals(expected + 0f, actual[i] + 0f, name + " value " + i);
    }
  }
}
