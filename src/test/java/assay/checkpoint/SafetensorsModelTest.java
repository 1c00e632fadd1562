package assay.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.model.DType;
import assay.model.TensorSpec;
import assay.model.UserError;
import assay.model.WeightLayout;
import assay.model.WeightRole;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Folders whose parts disagree. */
class SafetensorsModelTest {
  private static final Path GOLDEN = Path.of("src/test/resources/golden");
  @TempDir private Path folder;

  private Path copyOf(String golden) throws IOException {
    Path target = folder.resolve(golden);
    Files.createDirectories(target);
    try (Stream<Path> files = Files.list(GOLDEN.resolve(golden))) {
      for (Path p : (Iterable<Path>) files::iterator) {
        Files.copy(p, target.resolve(p.getFileName()));
      }
    }
    return target;
  }

  private static void edit(Path file, String from, String to) throws IOException {
    String text = Files.readString(file);
    assertTrue(text.contains(from), from);
    Files.writeString(file, text.replace(from, to));
  }

  private static UserError refused(Path folder, String expected) {
    UserError e = assertThrows(UserError.class, () -> SafetensorsModel.open(folder).close());
    assertTrue(e.getMessage().contains(expected), e.getMessage());
    assertFalse(e.getMessage().contains("\n"), e.getMessage());
    assertEquals(2, e.exitCode());
    return e;
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"vocab_size\": 320 | \"vocab_size\": 321 | config.json asks for [321, 64]",
        "\"hidden_size\": 64 | \"hidden_size\": 66 | no multiple of num_attention_heads",
        "\"num_key_value_heads\": 2 | \"num_key_value_heads\": 3 | no multiple of"
            + " num_key_value_heads",
        "\"num_hidden_layers\": 3 | \"num_hidden_layers\": 4 | no tensor 'model.layers.3",
        "\"num_hidden_layers\": 3 | \"num_hidden_layers\": 2000000000 | num_hidden_layers",
        "\"num_hidden_layers\": 3 | \"num_hidden_layers\": -1 | num_hidden_layers",
        "\"num_hidden_layers\": 3 | \"num_hidden_layers\": \"x\" | expected a whole number",
        "\"intermediate_size\": 172 | \"intermediate_size\": 171 | config.json asks for [171, 64]",
        "\"model_type\": \"llama\" | \"model_type\": \"mamba\" | unknown architecture",
        "\"hidden_act\": \"silu\" | \"hidden_act\": \"maxout\" | unknown activation",
        "\"rope_scaling\": null | \"rope_scaling\": {\"type\": \"yarn\"} | rope_scaling of type"
            + " 'yarn'",
        "\"rms_norm_eps\": 1e-05 | \"rms_norm_eps\": -1 | norm eps",
      })
  void configThatDisagrees(String from, String to, String expected) throws IOException {
    Path model = copyOf("llama");
    edit(model.resolve("config.json"), from, to);
    refused(model, expected);
  }

  @Test
  void missingParts() throws IOException {
    Path model = copyOf("llama-sharded");
    Files.delete(model.resolve("model-00002-of-00002.safetensors"));
    refused(model, "shard model-00002-of-00002.safetensors");
    edit(
        model.resolve("model.safetensors.index.json"),
        "model-00002-of-00002.safetensors",
        "../other.safetensors");
    refused(model, "expected a file of the folder");
    Files.delete(model.resolve("model.safetensors.index.json"));
    refused(model, "model.safetensors: no such file");
    Files.delete(model.resolve("config.json"));
    refused(model, "config.json: no such file");
  }

  @Test
  void truncatedFile() throws IOException {
    Path model = copyOf("qwen2");
    try (RandomAccessFile f =
        new RandomAccessFile(model.resolve("model.safetensors").toFile(), "rw")) {
      f.setLength(f.length() - 1);
    }
    refused(model, "the file holds");
  }

  @Test
  void nanWeightsAreCounted() throws IOException {
    Path model = copyOf("llama");
    Path file = model.resolve("model.safetensors");
    byte[] bytes = Files.readAllBytes(file);
    bytes[bytes.length - 1] = (byte) 0x7f;
    bytes[bytes.length - 2] = (byte) 0xc0;
    Files.write(file, bytes);
    try (SafetensorsModel m = SafetensorsModel.open(model);
        Arena arena = Arena.ofConfined()) {
      assertTrue(m.nonFinite().isEmpty());
      for (TensorSpec t : WeightLayout.of(m.config())) {
        MemorySegment out = arena.allocate(DType.F32.bytes(t.rows(), t.columns()));
        m.read(t, 0, Math.toIntExact(t.rows()), DType.F32, out);
      }
      assertEquals(1, m.nonFinite().size());
      assertEquals(1L, m.nonFinite().values().iterator().next());
    }
  }

  /** Both kinds of names that GPT-2 checkpoints have. */
  @Test
  void gpt2WithPrefix() throws IOException {
    Path model = copyOf("gpt2");
    Path file = model.resolve("model.safetensors");
    byte[] bytes = Files.readAllBytes(file);
    int length = java.nio.ByteBuffer.wrap(bytes).order(java.nio.ByteOrder.LITTLE_ENDIAN).getInt();
    String header = new String(bytes, 8, length, StandardCharsets.UTF_8);
    byte[] renamed =
        header
            .replaceAll("\"(wte|wpe|h\\.|ln_f)", "\"transformer.$1")
            .getBytes(StandardCharsets.UTF_8);
    java.nio.ByteBuffer out =
        java.nio.ByteBuffer.allocate(bytes.length - length + renamed.length)
            .order(java.nio.ByteOrder.LITTLE_ENDIAN);
    out.putLong(renamed.length).put(renamed).put(bytes, 8 + length, bytes.length - 8 - length);
    Files.write(file, out.array());
    try (SafetensorsModel a = SafetensorsModel.open(model);
        SafetensorsModel b = SafetensorsModel.open(GOLDEN.resolve("gpt2"));
        Arena arena = Arena.ofConfined()) {
      TensorSpec k =
          WeightLayout.of(a.config()).stream()
              .filter(t -> t.role() == WeightRole.K && t.layer() == 1)
              .findFirst()
              .orElseThrow();
      assertEquals("transformer.h.1.attn.c_attn.weight", a.nameOf(k));
      MemorySegment x = arena.allocate(4 * k.elements());
      MemorySegment y = arena.allocate(4 * k.elements());
      a.read(k, 0, Math.toIntExact(k.rows()), DType.F32, x);
      b.read(k, 0, Math.toIntExact(k.rows()), DType.F32, y);
      assertEquals(-1, x.mismatch(y));
    }
  }

  @Test
  void baichuan2IsNormalisedByItsConfig() throws IOException {
    String base =
        """
        {"model_type":"baichuan","hidden_size":64,"num_hidden_layers":2,"num_attention_heads":4,
         "intermediate_size":128,"vocab_size":%d,"max_position_embeddings":128,"rms_norm_eps":1e-6,
         "hidden_act":"silu"%s}\
        """;
    Path file = folder.resolve("config.json");
    Files.writeString(file, base.formatted(64_000, ""));
    assertFalse(HuggingFaceConfig.read(file, "b").normalizedHead());
    Files.writeString(file, base.formatted(125_696, ""));
    assertTrue(HuggingFaceConfig.read(file, "b").normalizedHead());
    Files.writeString(file, base.formatted(64_000, ",\"z_loss_weight\":0"));
    assertTrue(HuggingFaceConfig.read(file, "b").normalizedHead());
  }
}
