package assay.calibrate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.estimate.Coefficient;
import assay.estimate.Constant;
import assay.estimate.DeviceKind;
import assay.results.ResultRow;
import assay.results.ResultsReader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * Rows that were measured once are predicted again, with no device: a change to a formula that
 * makes a prediction worse fails. A change that makes them better is recorded by {@code
 * scripts/assay calibrate results/cpu-amd-epyc-zen4/sweep.jsonl --out
 * results/cpu-amd-epyc-zen4/calibration.json}.
 */
class SweepReplayTest {
  private static final Path FOLDER = Path.of("results", "cpu-amd-epyc-zen4");

  /** What summation in another order may change of a mean relative error. */
  private static final double ROUNDING = 1e-6;

  private static List<ResultRow> rows;
  private static Calibration recorded;

  @BeforeAll
  static void read() {
    ResultsReader.Contents contents = ResultsReader.read(List.of(FOLDER.resolve("sweep.jsonl")));
    assertEquals(List.of(), contents.problems());
    rows = contents.rows();
    recorded = CalibrationFile.read(FOLDER.resolve("calibration.json"));
  }

  @Test
  void theSweepHasManyShapes() {
    long shapes =
        rows.stream()
            .map(
                r ->
                    r.model().name()
                        + r.workload().batch()
                        + "×"
                        + r.workload().promptTokens()
                        + r.precision())
            .distinct()
            .count();
    assertTrue(shapes >= 30, "shapes " + shapes);
  }

  @Test
  void memoryIsPredictedToTheByte() {
    for (ResultRow r : rows) {
      Observation o = Observation.of(r, DeviceKind.CPU, HostPace.USUAL);
      assertNotNull(o, r.model().name());
      assertEquals(6, o.memoryErrors().size());
      o.memoryErrors()
          .forEach((category, error) -> assertEquals(0, error, r.model().name() + " " + category));
    }
  }

  @Test
  void flopsArePredictedToTheLast() {
    for (ResultRow r : rows) {
      Observation o = Observation.of(r, DeviceKind.CPU, HostPace.USUAL);
      assertNotNull(o, r.model().name());
      assertEquals(r.measured().prefillFlops(), o.prefill().flops(), r.model().name());
    }
  }

  @Test
  void noTimeIsPredictedWorseThanRecorded() {
    assertFalse(recorded.replayed().isEmpty());
    assertEquals(List.of(), worse(recorded));
  }

  /** The check can fail: with the bandwidth's share halved it does. */
  @Test
  void aWorsePredictionIsFound() {
    List<Constant> damaged = new ArrayList<>();
    for (Constant k : recorded.constants()) {
      boolean hit = k.coefficient() == Coefficient.WEIGHT_BANDWIDTH_EFFICIENCY;
      damaged.add(
          new Constant(
              k.coefficient(),
              k.scope(),
              hit ? k.value() / 2 : k.value(),
              k.origin(),
              k.source(),
              null));
    }
    assertFalse(worse(with(damaged)).isEmpty());
  }

  private static Calibration with(List<Constant> constants) {
    return new Calibration(
        recorded.name(),
        recorded.host(),
        recorded.driver(),
        recorded.date(),
        recorded.version(),
        recorded.device(),
        constants,
        recorded.replaced(),
        recorded.open(),
        recorded.points(),
        recorded.errors(),
        recorded.replayed(),
        recorded.memoryErrors(),
        recorded.notes());
  }

  /** Components whose error has grown, of the defaults or of the calibration's constants. */
  private static List<String> worse(Calibration c) {
    List<String> out = new ArrayList<>();
    List<Calibration.HeldOut> now = Calibrator.replay(rows, c);
    for (Calibration.HeldOut then : recorded.replayed()) {
      Calibration.HeldOut found =
          now.stream()
              .filter(
                  n ->
                      n.precision().equals(then.precision())
                          && n.component().equals(then.component()))
              .findFirst()
              .orElse(null);
      boolean fine =
          found != null
              && found.rows() == then.rows()
              && found.before() <= then.before() + ROUNDING
              && found.after() != null
              && found.after() <= then.after() + ROUNDING;
      if (!fine) {
        out.add("recorded " + then + ", now " + found);
      }
    }
    return out;
  }
}
