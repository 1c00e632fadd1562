package assay.measure.experiment;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.Backend;
import assay.backend.reference.ReferenceBackend;
import assay.results.Environment;
import assay.results.Experiment;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Experiments without a clock, on the reference: they find what is true. */
class ExperimentsTest {
  private static final Environment HERE =
      new Environment(
          "reference",
          "test",
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
          null,
          null);

  @ParameterizedTest
  @ValueSource(strings = {"F1", "M6", "I2", "I4", "I5", "I6", "I7", "I8"})
  void findsWhatIsTrue(String claim) {
    try (Backend backend = new ReferenceBackend()) {
      Experiment e = new Experiments().run(claim, backend, HERE);
      assertEquals(claim, e.experiment());
      switch (claim) {
        case "F1" -> {
          assertEquals(0.0, e.values().get("mismatches"));
          assertTrue(e.values().get("compared") > 350_000);
        }
        case "M6" ->
            assertEquals(
                4.0, e.values().get("mha_kv_cache_bytes") / e.values().get("gqa_kv_cache_bytes"));
        case "I2" -> assertEquals(0.0, e.values().get("wrong_elements"));
        case "I4" -> assertEquals(0.0, e.values().get("wrong_sets"));
        case "I5" -> assertTrue(e.values().get("chi_square") < e.values().get("critical_value"));
        case "I6" -> {
          assertEquals(0.0, e.values().get("changed_earlier_logits"));
          assertTrue(e.values().get("changed_later_logits") > 100);
        }
        case "I7" -> {
          assertTrue(e.values().get("relative_difference") < 1e-6);
          assertTrue(e.values().get("relative_difference_without_conversion") > 0.01);
        }
        default -> assertTrue(e.values().get("largest_error_ulps") < 2, e.values().toString());
      }
      assertEquals(0, backend.liveBytes());
    }
  }
}
