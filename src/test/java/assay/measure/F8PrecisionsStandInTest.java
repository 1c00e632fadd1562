package assay.measure;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.Backend;
import assay.backend.InputRounding;
import assay.backend.cuda.StandIn;
import assay.backend.reference.ReferenceBackend;
import assay.checkpoint.SafetensorsModel;
import assay.cost.CostModel;
import assay.cost.OpCost;
import assay.cost.PassCost;
import assay.cost.StorageTypes;
import assay.engine.Golden;
import assay.engine.Session;
import assay.engine.SessionOptions;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.OpKind;
import assay.model.Precision;
import assay.results.Check;
import assay.tensor.Tensor;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Golden models in fp8 on a stand-in of a card that multiplies e4m3: gpt2 and qwen2 have widths
 * that it takes (but the vocabulary of gpt2), llama has one that it does not.
 */
class F8PrecisionsStandInTest extends AbstractPrecisionsTest {
  static List<Arguments> modelsAndPrecisions() {
    List<Arguments> out =
        Golden.all().stream()
            .filter(g -> List.of("gpt2", "llama").contains(g.name()))
            .map(g -> Arguments.of(g, Precision.FP8))
            .toList();
    assertEquals(2, out.size());
    return out;
  }

  @Override
  protected Backend backend() {
    return StandIn.open(90);
  }

  /** Bytes beside the weights' that products move: predicted and counted, to the byte. */
  @ParameterizedTest
  @ValueSource(strings = {"qwen2", "gpt2", "llama"})
  void theBytesOfRoundingAreCounted(String name) {
    Golden golden =
        Golden.all().stream().filter(g -> g.name().equals(name)).findFirst().orElseThrow();
    try (Backend device = backend();
        SafetensorsModel model = SafetensorsModel.open(golden.folder())) {
      ModelConfig c = model.config();
      int batch = 10;
      CountingBackend counting = new CountingBackend(device);
      SessionOptions options = SessionOptions.of(Precision.FP8, batch, 8).withMaxPassTokens(5);
      try (Session s = Session.open(counting, model, options)) {
        s.start(new int[batch][6]);
        StorageTypes types = StorageTypes.of(Precision.FP8, DType.BF16);
        counting.start();
        s.enqueuePrefill();
        assertEquals(
            CostModel.prefill(c, types, batch, 6, 5).passes().stream()
                .mapToLong(F8PrecisionsStandInTest::productBytes)
                .sum(),
            productBytes(counting.stop()));
        counting.start();
        s.enqueueDecode();
        assertEquals(
            productBytes(CostModel.decode(c, types, batch, 7)), productBytes(counting.stop()));
      }
    }
  }

  private static long productBytes(PassCost pass) {
    return pass.ops().stream()
        .filter(o -> o.kind() == OpKind.MATMUL)
        .mapToLong(OpCost::activationBytes)
        .sum();
  }

  private static long productBytes(Map<OpLabel, OpCounts> counts) {
    return counts.entrySet().stream()
        .filter(e -> e.getKey().kind() == OpKind.MATMUL)
        .mapToLong(e -> e.getValue().otherBytes())
        .sum();
  }

  /** The tolerance comes from the rounding that is declared: without it the same logits fail. */
  @Test
  void roundingThatIsNotDeclaredFails() {
    Golden golden =
        Golden.all().stream().filter(g -> g.name().equals("qwen2")).findFirst().orElseThrow();
    try (Backend device = backend();
        Backend judge = new ReferenceBackend();
        SafetensorsModel model = SafetensorsModel.open(golden.folder())) {
      Backend silent =
          new ForwardingBackend(device) {
            @Override
            public InputRounding inputRounding(
                Precision precision, ModelConfig config, int rows, Tensor weight) {
              return InputRounding.NONE;
            }
          };
      SessionOptions options = SessionOptions.of(Precision.FP8, 2, 32);
      Check declared = new LogitsCheck(device, judge).run(model, options, () -> false);
      Check hidden = new LogitsCheck(silent, judge).run(model, options, () -> false);
      assertTrue(declared.passed(), declared.toString());
      assertFalse(hidden.passed(), hidden.toString());
      assertNotNull(declared.tolerance());
      assertTrue(declared.tolerance() < 0.4, declared.toString());
    }
  }
}
