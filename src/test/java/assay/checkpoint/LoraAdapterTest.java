package assay.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.model.AdapterShape;
import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.model.UserError;
import assay.model.WeightLayout;
import assay.model.WeightRole;
import assay.testing.LoraFiles;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

class LoraAdapterTest {
  private static final String Q = "model.layers.0.self_attn.q_proj";
  private static final String DOWN = "model.layers.1.mlp.down_proj";

  /** q of layer 0 is T8's 512 × 64. */
  private static final ModelConfig BASE =
      ModelConfig.builder("base", "llama").size(2, 64, 96).heads(16, 4, 32).tokens(97, 64).build();

  @TempDir Path temp;
  private Path folder;
  private LoraFiles files;

  @BeforeEach
  void twoModules() {
    folder = temp.resolve("adapter");
    files = new LoraFiles().module(Q, 4, 64, 512).module(DOWN, 3, 96, 64);
  }

  private static String keys(String more) {
    return LoraFiles.config(
        "\"r\":4,\"lora_alpha\":6,\"target_modules\":\"model\\\\.layers\\\\.(0\\\\..*q_proj|1.*down_proj)\","
            + "\"rank_pattern\":{\"down_proj\":3}"
            + more);
  }

  @Test
  void countsTrainableParametersAsClaimT8() {
    files.write(folder, keys(""));
    try (LoraAdapter a = LoraAdapter.open(folder, BASE)) {
      AdapterShape.Module q = a.shape().modules().getFirst();
      assertEquals(List.of(WeightRole.Q), q.roles());
      assertEquals(2_304, q.parameters(), "T8: 512 × 64 at rank 4");
      assertEquals(32_768, q.inputs() * q.outputs(), "T8: instead of");
      assertEquals(2_304 + 3 * (96 + 64), a.shape().parameters());
      assertEquals(4 * a.shape().parameters(), a.storedBytes());
      assertEquals(6.0 / 4, a.scale(q));
      assertEquals(6.0 / 3, a.scale(a.shape().modules().get(1)));
      assertEquals("adapter", a.name());
    }
  }

  @Test
  void scaleIsOverTheRootWhereRanksAreStabilised() {
    files.write(folder, keys(",\"use_rslora\":true,\"alpha_pattern\":{\"q_proj\":5}"));
    try (LoraAdapter a = LoraAdapter.open(folder, BASE)) {
      assertEquals(5 / Math.sqrt(4), a.scale(a.shape().modules().get(0)));
      assertEquals(6 / Math.sqrt(3), a.scale(a.shape().modules().get(1)));
    }
  }

  /** W + (alpha / r)·B·A, element by element: one rounding to fp32, then one to the type. */
  @Test
  void mergesAsTheFormulaSays() {
    files.write(folder, keys(""));
    float[] a = files.values(Q + ".lora_A.weight");
    float[] b = files.values(Q + ".lora_B.weight");
    try (RandomWeights base = new RandomWeights(BASE, 5);
        LoraAdapter adapter = LoraAdapter.open(folder, BASE);
        MergedWeights merged = new MergedWeights(base, adapter);
        Arena arena = Arena.ofConfined()) {
      for (TensorSpec t : WeightLayout.of(BASE)) {
        int n = Math.toIntExact(t.elements());
        int rows = t.role().isMatrix() ? Math.toIntExact(t.rows()) : 1;
        int columns = n / rows;
        for (DType type : List.of(DType.F32, DType.BF16)) {
          float[] before = read(base, t, rows, columns, DType.F32, arena);
          float[] after = read(merged, t, rows, columns, type, arena);
          boolean adapted = t.layer() == 0 && t.role() == WeightRole.Q;
          boolean other = t.layer() == 1 && t.role() == WeightRole.DOWN;
          for (int i = 0; i < n && !other; i++) {
            double sum = before[i];
            double magnitude = 0;
            for (int k = 0; adapted && k < 4; k++) {
              double term = 1.5 * b[i / 64 * 4 + k] * a[k * 64 + i % 64];
              sum += term;
              magnitude += Math.abs(term);
            }
            // scale·B is rounded to fp32 once, the sum once to fp32 and once to the type.
            double u = type == DType.BF16 ? 0x1p-8 : 0;
            double bound = 0x1p-24 * (magnitude + Math.abs(sum)) * (1 + u) + u * Math.abs(sum);
            bound = type == DType.F32 && !adapted ? 0 : bound;
            double error = Math.abs(after[i] - sum);
            assertTrue(error <= bound, t + " " + type + " " + i + ": " + error + " > " + bound);
          }
        }
      }
    }
  }

  private static float[] read(
      assay.model.WeightSource w, TensorSpec t, int rows, int columns, DType type, Arena arena) {
    MemorySegment bytes = arena.allocate(type.bytes(rows, columns), 64);
    w.read(t, 0, rows, type, bytes);
    float[] out = new float[rows * columns];
    BlockFormat.decodeRow(type, bytes, 0, out.length, out, 0);
    return out;
  }

  private String refused(String config) {
    files.write(folder, config);
    UserError e = assertThrows(UserError.class, () -> LoraAdapter.open(folder, BASE).close());
    assertEquals(UserError.BAD_INPUT, e.exitCode());
    assertFalse(e.getMessage().contains("\n"), e.getMessage());
    return e.getMessage();
  }

  static List<String[]> unusable() {
    return List.of(
        new String[] {"{'use_dora':true}", "use_dora"},
        new String[] {"{'bias':'all'}", "bias"},
        new String[] {"{'modules_to_save':['lm_head']}", "modules_to_save"},
        new String[] {"{'init_lora_weights':'pissa_niter_4'}", "pissa"},
        new String[] {"{'layers_to_transform':'all'}", "layers_to_transform"},
        new String[] {"{'layers_to_transform':[7]}", "belongs to no linear layer"},
        new String[] {"{'rank_pattern':{'q_proj':'many'}}", "rank_pattern"},
        new String[] {"{'rank_pattern':{'q_proj':2.5}}", "whole number"},
        new String[] {"{'rank_pattern':{'(':2}}", "no pattern"},
        new String[] {"{'r':8}", "[8, 64]"},
        new String[] {"{'r':0}", "positive"},
        new String[] {"{'r':1e300}", "positive"},
        new String[] {"{'r':null}", "no 'r'"},
        new String[] {"{'lora_alpha':'x'}", "number"},
        new String[] {"{'peft_type':'IA3'}", "IA3"},
        new String[] {"{'target_modules':[]}", "target_modules"},
        new String[] {"{'target_modules':[3]}", "target_modules"},
        new String[] {"{'target_modules':['q_proj']}", "layers.1.self_attn.q_proj"},
        new String[] {"{'target_modules':['nothing']}", "belongs to no linear layer"},
        new String[] {"{'target_modules':'(?P<python>x)'}", "no pattern"});
  }

  @ParameterizedTest
  @MethodSource("unusable")
  void refusesInOneLine(String change, String expected) {
    JsonMapper mapper = new JsonMapper();
    ObjectNode config = (ObjectNode) mapper.readTree(keys(""));
    config.setAll((ObjectNode) mapper.readTree(change.replace('\'', '"')));
    String message = refused(config.toString());
    assertTrue(message.contains(expected), message);
    assertTrue(message.startsWith(folder.toString()), message);
  }

  @Test
  void anAdapterOfAnotherModelIsRefused() {
    files = new LoraFiles().module(Q, 4, 128, 512);
    assertTrue(refused(keys("")).contains("[4, 64]"));
    files = new LoraFiles().module("model.layers.9.self_attn.q_proj", 4, 64, 512);
    assertTrue(refused(keys("")).contains("another model"));
    files =
        new LoraFiles()
            .module(Q, 4, 64, 512)
            .module(DOWN, 3, 96, 64)
            .tensor("lm_head.lora_A.weight", 4, 64);
    assertTrue(refused(keys("")).contains("lm_head"));
    files = new LoraFiles().tensor(Q + ".lora_A.weight", 4, 64).module(DOWN, 3, 96, 64);
    assertTrue(refused(keys("")).contains("lora_B"));
  }

  @Test
  void patternsOfStrangersCannotHang() {
    for (String pattern :
        List.of("(.*)*(.*)*(.*)*(.*)*!", "(" + ".*".repeat(300) + ")*!", "(".repeat(900))) {
      String config =
          LoraFiles.config("\"r\":4,\"lora_alpha\":6,\"target_modules\":\"" + pattern + "\"");
      files.write(folder, config);
      assertTimeoutPreemptively(
          Duration.ofSeconds(10),
          () -> assertThrows(UserError.class, () -> LoraAdapter.open(folder, BASE)));
    }
    String config =
        LoraFiles.config(
            "\"r\":4,\"lora_alpha\":6,\"target_modules\":\"" + "a".repeat(5000) + "\"");
    assertTrue(refused(config).contains("5000 characters"));
  }

  @Test
  void missingFilesAreNamed() throws IOException {
    UserError none = assertThrows(UserError.class, () -> LoraAdapter.open(folder, BASE));
    assertTrue(none.getMessage().contains("adapter_config.json"), none.getMessage());
    files.write(folder, keys(""));
    Files.move(folder.resolve("adapter_model.safetensors"), folder.resolve("adapter_model.bin"));
    UserError pickle = assertThrows(UserError.class, () -> LoraAdapter.open(folder, BASE));
    assertTrue(pickle.getMessage().contains("pickle"), pickle.getMessage());
  }
}
