package assay.calibrate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.results.Environment;
import assay.results.Experiment;
import assay.results.ResultRow;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Steps made from known constants give them back; what cannot be told is not told. */
class TrainingUtilizationTest {
  private static final double PEAK = 1e11;

  private static TrainingUtilization.Step step(double tokens, double utilisation) {
    double flops = 6e6 * tokens;
    return new TrainingUtilization.Step(
        "s" + tokens, flops, tokens, flops / (PEAK * utilisation), PEAK);
  }

  private static List<TrainingUtilization.Step> steps(double largest, double half, double noise) {
    List<TrainingUtilization.Step> out = new ArrayList<>();
    int i = 0;
    for (double n : new double[] {13, 64, 128, 207, 512, 1024, 4098}) {
      out.add(step(n, largest * n / (n + half) * (1 + (i++ % 2 == 0 ? noise : -noise))));
    }
    return out;
  }

  private static TrainingUtilization fit(List<TrainingUtilization.Step> steps) {
    TrainingUtilization u = TrainingUtilization.fit(steps);
    assertNotNull(u);
    return u;
  }

  @Test
  void exactStepsGiveTheConstantsBack() {
    TrainingUtilization u = fit(steps(0.6, 150, 0));
    assertEquals(0.6, u.largest(), 1e-5);
    assertEquals(150, u.halfTokens(), 0.1);
    assertEquals(0.3, u.at(150), 1e-3);
    assertNotNull(u.heldOutError());
    assertTrue(u.heldOutError() < 1e-4, u.words());
    assertTrue(u.errorOfRule() > 0.2, "the rule is far from small steps: " + u.words());
  }

  @Test
  void noiseShowsInTheErrorAndTheInterval() {
    TrainingUtilization u = fit(steps(0.6, 150, 0.05));
    assertEquals(0.6, u.largest(), 0.06);
    assertNotNull(u.heldOutError());
    assertTrue(u.heldOutError() > 0.03 && u.heldOutError() < 0.15, u.words());
    assertNotNull(u.largestInterval());
    assertTrue(u.largestInterval().low() < 0.6 && u.largestInterval().high() > 0.6);
  }

  /** One step ten times too slow, as after a stall, does not move the others' constants far. */
  @Test
  void oneWildStepIsWeighedDown() {
    List<TrainingUtilization.Step> steps = steps(0.6, 150, 0);
    steps.set(3, step(207, 0.6 * 207 / 357 / 10));
    assertEquals(0.6, fit(steps).largest(), 0.15);
  }

  @Test
  void fewStepsTellOneShareAlone() {
    assertNull(TrainingUtilization.fit(List.of()));
    TrainingUtilization two = fit(List.of(step(64, 0.2), step(512, 0.4)));
    assertEquals(0, two.halfTokens());
    assertEquals(0.3, two.largest(), 1e-9);
    assertNull(two.heldOutError());
    TrainingUtilization same = fit(List.of(step(64, 0.2), step(64, 0.2), step(64, 0.2)));
    assertEquals(0, same.halfTokens());
    assertEquals(0.2, same.largest(), 1e-9);
  }

  @Test
  void onlyTimedFp32StepsOfThatDeviceCount() {
    Map<String, Double> good = new HashMap<>();
    good.put("flops", 1e9);
    good.put("batch", 2.0);
    good.put("tokens", 64.0);
    good.put("seconds", 0.1);
    Map<String, Double> mixed = new HashMap<>(good);
    mixed.put("element_bytes", 2.0);
    Map<String, Double> instant = new HashMap<>(good);
    instant.put("seconds", 0.0);
    Map<String, Double> untimed = new HashMap<>(good);
    untimed.remove("seconds");
    Experiment e =
        new Experiment(
            ResultRow.SCHEMA,
            "training",
            "t",
            new Environment(
                "cpu", "here", null, null, null, null, null, null, null, null, null, null, null,
                null, null),
            "a setting",
            Map.of("peak_flops_per_second", PEAK),
            List.of(
                new Experiment.Point("good", good),
                new Experiment.Point("mixed", mixed),
                new Experiment.Point("instant", instant),
                new Experiment.Point("untimed", untimed)),
            "a command");
    List<TrainingUtilization.Step> steps =
        TrainingUtilization.steps(List.of(e), x -> x.environment().name().equals("here"));
    assertEquals(List.of("good"), steps.stream().map(TrainingUtilization.Step::label).toList());
    assertEquals(128, steps.getFirst().tokens());
    assertEquals(
        List.of(),
        TrainingUtilization.steps(List.of(e), x -> x.environment().name().equals("elsewhere")));
  }
}
