package assay.claims;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.results.Environment;
import assay.results.Experiment;
import assay.results.ResultRow;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** No claim is missing, what is known to be wrong fails, and nothing holds without evidence. */
class LedgerTest {
  private static final Set<String> ON_THE_SPOT =
      Set.of("F1", "F2", "F3", "F5", "M5", "T7", "T8", "C6", "I1", "I3");

  private static Map<String, Finding> examine(Evidence evidence) {
    return new Ledger()
        .examine(evidence).stream()
            .collect(Collectors.toMap(e -> e.claim().id(), Ledger.Entry::finding));
  }

  @Test
  void everyClaimHasAFinding() {
    Ledger ledger = new Ledger();
    List<Ledger.Entry> all = ledger.examine(new Evidence(List.of(), List.of()));
    assertEquals(44, all.size());
    for (Ledger.Entry e : all) {
      assertFalse(e.finding().why().isBlank(), e.claim().id());
      assertFalse(e.claim().statement().isBlank(), e.claim().id());
      assertFalse(e.finding().command().isBlank(), e.claim().id());
    }
  }

  @Test
  void withoutEvidenceOnlyArithmeticIsJudged() {
    examine(new Evidence(List.of(), List.of()))
        .forEach(
            (id, f) -> {
              boolean judged =
                  f.verdict() != Verdict.NOT_MEASURED && f.verdict() != Verdict.REFERENCE;
              assertEquals(ON_THE_SPOT.contains(id), judged, id + " " + f.verdict());
            });
  }

  @Test
  void knownMistakesOfTheSourcesAreSaid() {
    Map<String, Finding> f = examine(new Evidence(List.of(), List.of()));
    assertEquals(Verdict.FAILS, f.get("I1").verdict());
    assertTrue(f.get("I1").why().contains("0.106, 0.711, 0.183"));
    assertEquals(Verdict.HOLDS, f.get("F3").verdict());
    assertTrue(f.get("F3").why().contains("2^(bits − 1) − 1"));
    assertTrue(f.get("M1").why().contains("a zero is missing"));
    assertTrue(f.get("T4").why().contains("leaves out"));
    assertTrue(f.get("K1").why().contains("3 bytes"));
  }

  @Test
  void theBracketOfActivationsIsKorthikantisAtTwoBytes() {
    double b = 3;
    double s = 512;
    double h = 1024;
    double a = 16;
    double expected = 24 * (34 * b * s * h + 5 * a * b * s * s);
    assertEquals(expected, TrainingClaims.bracketBytes(24, b, s, h, a, 2), expected * 1e-12);
    double missing = 24 * (5 * b * s * h * 2 + b * s * h);
    assertEquals(
        expected - missing, TrainingClaims.middleBytes(24, b, s, h, a, 2), expected * 1e-12);
  }

  private static Experiment experiment(String id, String time, Map<String, Double> values) {
    return new Experiment(
        ResultRow.SCHEMA,
        id,
        time,
        new Environment(
            "cpu", "test", null, null, null, null, null, null, null, null, null, null, null, null,
            null),
        "a setting",
        values,
        List.of(),
        "a command");
  }

  @Test
  void theLatestExperimentDecidesEitherWay() {
    Experiment good =
        experiment("I6", "2026-01-01T00:00:00Z", Map.of("changed_earlier_logits", 0.0));
    Experiment bad =
        experiment("I6", "2026-01-02T00:00:00Z", Map.of("changed_earlier_logits", 3.0));
    assertEquals(
        Verdict.HOLDS, examine(new Evidence(List.of(), List.of(good))).get("I6").verdict());
    assertEquals(
        Verdict.FAILS, examine(new Evidence(List.of(), List.of(good, bad))).get("I6").verdict());
    assertEquals(
        Verdict.FAILS, examine(new Evidence(List.of(), List.of(bad, good))).get("I6").verdict());
    Experiment without = experiment("I6", "2026-01-03T00:00:00Z", Map.of());
    assertEquals(
        Verdict.FAILS, examine(new Evidence(List.of(), List.of(without))).get("I6").verdict());
  }
}
