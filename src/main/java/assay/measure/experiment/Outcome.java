package assay.measure.experiment;

import assay.results.Experiment;
import java.util.List;
import java.util.Map;

/**
 * What an experiment found.
 *
 * @param setting in words, what was run
 * @param values numbers by name
 * @param points a sweep
 */
public record Outcome(String setting, Map<String, Double> values, List<Experiment.Point> points) {
  static Outcome of(String setting, Map<String, Double> values) {
    return new Outcome(setting, values, List.of());
  }
}
