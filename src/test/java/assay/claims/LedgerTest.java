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

  /** A training step of h = 10, 2 layers, 1 head, 100 parameters. */
  private static Experiment.Point step(int batch, int tokens, boolean recompute, double perToken) {
    double rows = batch * tokens;
    double n = 100;
    Map<String, Double> v = new java.util.HashMap<>();
    v.put("batch", (double) batch);
    v.put("tokens", (double) tokens);
    v.put("recompute", recompute ? 1.0 : 0.0);
    v.put("stored_scores", 0.0);
    v.put("parameters", n);
    v.put("layers", 2.0);
    v.put("heads", 1.0);
    v.put("hidden_size", 10.0);
    v.put("element_bytes", 4.0);
    v.put("weights_bytes", 4 * n);
    v.put("gradients_bytes", 4 * n);
    v.put("optimizer_bytes", 8 * n);
    v.put("activations_bytes", perToken * rows);
    v.put("layer_activations_bytes", perToken * rows);
    v.put("workspace_bytes", 0.0);
    v.put("flops", (recompute ? 8 : 6) * n * rows);
    v.put("model_flops", 6 * n * rows);
    v.put("seconds", 6 * n * rows / (0.4 * 1e9));
    return new Experiment.Point("b%d_s%d_%s".formatted(batch, tokens, recompute), v);
  }

  private static Map<String, Finding> examineSteps(Experiment.Point... points) {
    Experiment bare = experiment("training", "t", Map.of("peak_flops_per_second", 1e9));
    Experiment e =
        new Experiment(
            bare.schema(),
            "training",
            "t",
            bare.environment(),
            "a setting",
            bare.values(),
            List.of(points),
            "a command");
    return examine(new Evidence(List.of(), List.of(e)));
  }

  /** Every claim about training has a verdict from steps, and the verdict follows the numbers. */
  @Test
  void trainingStepsDecide() {
    double bracket = TrainingClaims.bracketBytes(2, 1, 8, 10, 1, 4) / 8;
    Map<String, Finding> f =
        examineSteps(
            step(1, 8, false, bracket), step(4, 8, false, bracket), step(4, 8, true, bracket / 20));
    assertEquals(Verdict.FAILS, f.get("T1").verdict(), "activations are no constant of N");
    assertEquals(Verdict.WITHIN, f.get("T4").verdict());
    assertEquals(Verdict.HOLDS, f.get("T5").verdict());
    assertEquals(Verdict.HOLDS, f.get("T6").verdict());
    assertEquals(Verdict.WITHIN, f.get("C2").verdict());
    assertEquals(Verdict.WITHIN, f.get("C3").verdict());
    assertEquals(Verdict.WITHIN, f.get("C4").verdict(), f.get("C4").measured().toString());
    assertEquals(Verdict.HOLDS, f.get("C5").verdict(), "0.4 lies in the band");
    assertTrue(f.get("M3").measured().containsKey("train_fp32_bytes_per_parameter"));
    for (String id : List.of("T1", "T4", "T5", "T6", "C2", "C3", "C4", "C5")) {
      assertTrue(f.get(id).why().length() < 700, id);
    }
  }

  /** A step of 100 parameters, of which {@code trained} are trained. */
  private static Experiment.Point kind(
      String label, double weights, double gradients, double optimizer, double trained) {
    Map<String, Double> v = new java.util.HashMap<>();
    v.put("parameters", 100.0);
    v.put("trained_parameters", trained);
    v.put("activations_bytes", 77.0);
    v.put("estimated_activations_bytes", 77.0);
    v.put("flops", 5.0);
    v.put("weights_bytes", weights);
    v.put("estimated_weights_bytes", weights);
    v.put("gradients_bytes", gradients);
    v.put("estimated_gradients_bytes", gradients);
    v.put("optimizer_bytes", optimizer);
    v.put("estimated_optimizer_bytes", optimizer);
    return new Experiment.Point(label, v);
  }

  private static Map<String, Finding> examineKinds(Experiment.Point... points) {
    Experiment bare = experiment("training-kinds", "t", Map.of());
    return examine(
        new Evidence(
            List.of(),
            List.of(
                new Experiment(
                    bare.schema(),
                    "training-kinds",
                    "t",
                    bare.environment(),
                    "a setting",
                    Map.of(),
                    List.of(points),
                    "a command"))));
  }

  @Test
  void kindsOfStepsDecide() {
    Map<String, Finding> f =
        examineKinds(
            kind("fp32_adamw", 400, 400, 800, 100),
            kind("fp32_sgd_momentum", 400, 400, 400, 100),
            kind("mixed_adamw", 200, 200, 1200, 100),
            kind("mixed_adamw_fp32_gradients", 200, 400, 1200, 100),
            kind("lora_512_64", 1000, 4 * 2304, 8 * 2304, 2304));
    assertEquals(Verdict.FAILS, f.get("T2").verdict());
    assertEquals(16.0, f.get("T2").measured().get("fp32_adamw_bytes_per_parameter"));
    assertEquals(12.0, f.get("T2").measured().get("fp32_sgd_momentum_bytes_per_parameter"));
    assertEquals(Verdict.FAILS, f.get("T3").verdict());
    assertEquals(18.0, f.get("T3").measured().get("x2_y4"));
    assertEquals(Verdict.HOLDS, f.get("T8").verdict(), f.get("T8").why());
    assertEquals(2304.0, f.get("T8").measured().get("step_512_64_trained_parameters"));
  }

  @Test
  void kindsOfStepsDecideOtherwise() {
    Map<String, Finding> f =
        examineKinds(
            kind("fp32_adamw", 400, 400, 1200, 100),
            kind("mixed_adamw", 200, 200, 1200, 100),
            kind("mixed_adamw_fp32_gradients", 200, 400, 1200, 100),
            kind("lora_512_64", 1000, 4 * 2304, 8 * 9999, 2304));
    assertEquals(Verdict.HOLDS, f.get("T3").verdict(), "a step that does keep a second copy");
    assertEquals(Verdict.FAILS, f.get("T8").verdict(), "optimiser state for what is frozen");
  }

  /** English tokenizers say nothing of Chinese; of several experiments the telling one counts. */
  @Test
  void chineseTokensAreJudgedByATokenizerThatKnowsChinese() {
    Experiment english =
        experiment(
            "K1",
            "2026-01-02T00:00:00Z",
            Map.of("characters_per_token", 0.34, "utf8_bytes_per_token", 1.0));
    Experiment chinese =
        experiment(
            "K1",
            "2026-01-01T00:00:00Z",
            Map.of(
                "characters_per_token",
                1.5,
                "utf8_bytes_per_token",
                4.4,
                "bytes_per_1e9_tokens",
                4.4e9));
    Finding alone = examine(new Evidence(List.of(), List.of(english))).get("K1");
    assertEquals(Verdict.NOT_MEASURED, alone.verdict());
    assertTrue(alone.why().contains("Needs a tokenizer that knows Chinese"), alone.why());
    Finding both = examine(new Evidence(List.of(), List.of(chinese, english))).get("K1");
    assertEquals(Verdict.FAILS, both.verdict(), "4.4 GB are not 3");
    assertTrue(both.why().contains("inside 1.4 to 1.7"), both.why());
    assertTrue(both.why().contains("3 bytes"), both.why());
  }

  @Test
  void trainingStepsDecideOtherwise() {
    double bracket = TrainingClaims.bracketBytes(2, 1, 8, 10, 1, 4) / 8;
    Map<String, Finding> f =
        examineSteps(
            step(1, 8, false, bracket / 2),
            step(4, 8, false, bracket),
            step(4, 8, true, bracket * 0.9));
    assertEquals(Verdict.FAILS, f.get("T4").verdict(), "half of the bracket");
    assertEquals(Verdict.FAILS, f.get("T5").verdict(), "a tenth removed is not almost all");
    assertEquals(Verdict.FAILS, f.get("T6").verdict(), "twice as much per sequence");
  }
}
