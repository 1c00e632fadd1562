package assay.claims;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What was found about one claim. Names of numbers carry their unit.
 *
 * @param verdict the outcome
 * @param predicted what the claim says, as numbers or words by name
 * @param measured what was computed or measured; empty where nothing was
 * @param why one or two sentences: the tolerance, what is true instead, or what would be needed
 * @param command what repeats it
 */
public record Finding(
    Verdict verdict,
    Map<String, Object> predicted,
    Map<String, Object> measured,
    String why,
    String command) {
  /** The command that computes every identity and reads stored results. */
  static final String LEDGER = "assay claims";

  /** The command that runs the experiments. */
  static final String MEASURE = "assay claims --measure";

  /** Keeps the order of the numbers. */
  public Finding {
    predicted = Collections.unmodifiableMap(new LinkedHashMap<>(predicted));
    measured = Collections.unmodifiableMap(new LinkedHashMap<>(measured));
  }

  /** A claim without a measurement, and what it would take. */
  static Finding notMeasured(Map<String, Object> predicted, String needed, String command) {
    return new Finding(Verdict.NOT_MEASURED, predicted, Map.of(), needed, command);
  }

  /** Shown, not tested. */
  static Finding reference(Map<String, Object> predicted, String why) {
    return new Finding(Verdict.REFERENCE, predicted, Map.of(), why, LEDGER);
  }

  /** Names and values in turn, in order. */
  static Map<String, Object> numbers(Object... namesAndValues) {
    Map<String, Object> out = new LinkedHashMap<>();
    for (int i = 0; i < namesAndValues.length; i += 2) {
      out.put((String) namesAndValues[i], namesAndValues[i + 1]);
    }
    return out;
  }
}
