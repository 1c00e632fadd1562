package assay.results;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One line of {@code experiments.jsonl}: what was measured to put one claim to the test. Names
 * carry their unit; what they mean stands with the experiment that measures them.
 *
 * @param schema {@link ResultRow#SCHEMA}
 * @param experiment id of the claim
 * @param time when, ISO 8601 in UTC
 * @param environment the machine and the program
 * @param setting in words, what was run: shapes, types, repetitions
 * @param values numbers by name
 * @param points a sweep, if there is one
 * @param command the command that repeats it
 */
public record Experiment(
    int schema,
    String experiment,
    String time,
    Environment environment,
    String setting,
    Map<String, Double> values,
    List<Point> points,
    String command) {
  /** Checks that the parts every experiment has are there and every number is one. */
  public Experiment {
    Numbers.present("experiment", experiment);
    Numbers.present("time", time);
    Numbers.present("environment", environment);
    values = checked(values);
    points = points == null ? List.of() : List.copyOf(points);
  }

  /**
   * One point of a sweep.
   *
   * @param label what distinguishes it
   * @param values numbers by name
   */
  public record Point(String label, Map<String, Double> values) {
    /** Checks every number. */
    public Point {
      Numbers.present("label", label);
      values = checked(values);
    }

    /** The number of that name, null where it was not measured. */
    public @Nullable Double get(String name) {
      return values.get(name);
    }
  }

  private static Map<String, Double> checked(@Nullable Map<String, Double> values) {
    Map<String, Double> out = new LinkedHashMap<>();
    if (values != null) {
      values.forEach(
          (name, value) -> {
            if (value == null || !Double.isFinite(value)) {
              throw new assay.model.UserError(name + " is " + value + ": expected a number");
            }
            if (value < 0 && (name.endsWith("seconds") || name.endsWith("_bytes"))) {
              throw new assay.model.UserError(name + " is " + value + ": expected 0 or more");
            }
            out.put(name, value);
          });
    }
    return Collections.unmodifiableMap(out);
  }
}
