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
import assay.engine.Golden;
import assay.engine.SessionOptions;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.results.Check;
import assay.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.provider.Arguments;

/**
 * Golden models in fp8 on a stand-in of a card that multiplies e4m3: two of widths that it takes
 * (the vocabulary of one is none), one of a width that it does not.
 */
class F8PrecisionsStandInTest extends AbstractPrecisionsTest {
  static List<Arguments> modelsAndPrecisions() {
    List<Arguments> out =
        Golden.all().stream()
            .filter(g -> List.of("qwen2", "gpt2", "llama").contains(g.name()))
            .map(g -> Arguments.of(g, Precision.FP8))
            .toList();
    assertEquals(3, out.size());
    return out;
  }

  @Override
  protected Backend backend() {
    return StandIn.open(90);
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
