package assay.calibrate;

import assay.results.ResultRow;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.ToDoubleFunction;

/**
 * What the machine itself leaves open: how far apart rows lie that measured the very same thing at
 * different times. Two measurements of one quantity with independent errors of mean size e differ
 * by e · √2 on average, so no prediction of single rows can be expected to come closer than the
 * mean difference over √2.
 */
final class Repeats {
  /** Fewer pairs say little. */
  private static final int FEWEST_PAIRS = 10;

  private Repeats() {}

  /** One line on it, if enough was measured more than once. */
  static Optional<String> note(List<Observation> rows) {
    Map<String, List<Observation>> same = new LinkedHashMap<>();
    for (Observation o : rows) {
      ResultRow r = o.row();
      String what =
          "%s %s %d %d %d"
              .formatted(
                  o.shape(),
                  r.precision(),
                  r.workload().batch(),
                  r.workload().promptTokens(),
                  r.workload().generatedTokens());
      same.computeIfAbsent(what, w -> new ArrayList<>()).add(o);
    }
    List<Double> prefill = differences(same, Observation::prefillSeconds);
    List<Double> decode = differences(same, Observation::decodeSeconds);
    return prefill.size() < FEWEST_PAIRS
        ? Optional.empty()
        : Optional.of(
            "the same rows measured again differ by %.1f %% in prefill and %.1f %% in decode (mean of %d pairs): errors below %.1f and %.1f %% cannot be expected of any prediction"
                .formatted(
                    100 * mean(prefill),
                    100 * mean(decode),
                    prefill.size(),
                    100 * mean(prefill) / Math.sqrt(2),
                    100 * mean(decode) / Math.sqrt(2)));
  }

  /** Of each row and the next of the same. */
  private static List<Double> differences(
      Map<String, List<Observation>> same, ToDoubleFunction<Observation> seconds) {
    List<Double> out = new ArrayList<>();
    for (List<Observation> rows : same.values()) {
      for (int i = 1; i < rows.size(); i++) {
        double difference =
            Math.abs(
                Math.log(
                    seconds.applyAsDouble(rows.get(i)) / seconds.applyAsDouble(rows.get(i - 1))));
        if (!Double.isNaN(difference)) {
          out.add(difference);
        }
      }
    }
    return out;
  }

  private static double mean(List<Double> values) {
    return values.stream().mapToDouble(Double::doubleValue).average().orElse(Double.NaN);
  }
}
