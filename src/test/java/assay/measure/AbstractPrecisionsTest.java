package assay.measure;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import assay.backend.Backend;
import assay.backend.reference.ReferenceBackend;
import assay.checkpoint.SafetensorsModel;
import assay.engine.Golden;
import assay.engine.SessionOptions;
import assay.model.Precision;
import assay.results.Check;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Golden models in every precision against the reference with the same stored weights, within what
 * the device's arithmetic explains.
 */
public abstract class AbstractPrecisionsTest {
  /** A fresh back end. */
  protected abstract Backend backend();

  static List<Golden> models() {
    return Golden.all();
  }

  static List<Arguments> cases(List<Golden> models) {
    return models.stream()
        .flatMap(m -> java.util.Arrays.stream(Precision.values()).map(p -> Arguments.of(m, p)))
        .toList();
  }

  static List<Arguments> modelsAndPrecisions() {
    return cases(models());
  }

  @ParameterizedTest
  @MethodSource("modelsAndPrecisions")
  void agreesWithTheReference(Golden golden, Precision precision) {
    try (Backend device = backend();
        Backend judge = new ReferenceBackend();
        SafetensorsModel model = SafetensorsModel.open(golden.folder())) {
      assumeTrue(device.supports(precision), "the device has no " + precision.label());
      SessionOptions options = SessionOptions.of(precision, 2, 32);
      Check check = new LogitsCheck(device, judge).run(model, options, () -> false);
      assertTrue(check.passed(), () -> golden + ": " + LogitsCheck.describe(check));
      assertEquals(0, device.liveBytes());
    }
  }
}
