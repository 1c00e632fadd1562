package assay.claims;

import assay.results.Experiment;
import assay.results.ResultRow;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * What verdicts rest on: measured rows whose check against the reference held, and experiments. Of
 * several experiments on one claim the latest counts.
 *
 * @param rows measured rows
 * @param experiments experiments
 */
public record Evidence(List<ResultRow> rows, List<Experiment> experiments) {
  /** Keeps only rows that were checked and measured. */
  public Evidence {
    rows =
        rows.stream()
            .filter(r -> r.measured() != null && !Boolean.FALSE.equals(r.valid()))
            .toList();
    experiments = List.copyOf(experiments);
  }

  /** The latest experiment of that id. */
  Optional<Experiment> experiment(String id) {
    return experiment(id, e -> true);
  }

  /** The latest experiment of that id that can tell something. */
  Optional<Experiment> experiment(String id, Predicate<Experiment> telling) {
    Experiment found = null;
    for (Experiment e : experiments) {
      if (e.experiment().equals(id)
          && telling.test(e)
          && (found == null || e.time().compareTo(found.time()) >= 0)) {
        found = e;
      }
    }
    return Optional.ofNullable(found);
  }

  /** Rows of a precision. */
  List<ResultRow> rowsOf(String precision) {
    List<ResultRow> out = new ArrayList<>();
    for (ResultRow r : rows) {
      if (r.precision().equals(precision)) {
        out.add(r);
      }
    }
    return out;
  }
}
