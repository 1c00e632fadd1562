package assay.measure.experiment;

import assay.backend.Backend;
import assay.results.Environment;
import assay.results.Experiment;
import assay.results.ResultRow;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import java.util.Set;
import java.util.function.Function;

/** All experiments by the claim that they serve, in the order in which they run. */
public final class Experiments {
  private static final String COMMAND = "assay claims --measure";
  private final SequencedMap<String, Function<Backend, Outcome>> all = new LinkedHashMap<>();

  /** The experiments that any back end can run. */
  public Experiments() {
    all.put("F1", NumberExperiments::conversions);
    all.put("M6", MemoryExperiments::groupedQueries);
    all.put("M7", AttentionExperiments::storedAgainstTiled);
    all.put("C8", AttentionExperiments::timeOverLength);
    all.put("T9", LoraExperiments::merging);
    all.put("I2", MaskExperiments::masks);
    all.put("I4", SamplingExperiments::sets);
    all.put("I5", SamplingExperiments::pipeline);
    all.put("I6", MaskExperiments::causality);
    all.put("I7", ModelExperiments::normalizedHead);
    all.put("I8", NumberExperiments::activations);
  }

  /**
   * Adds an experiment that needs more than a back end (a tokenizer, a checkpoint, a training
   * step).
   */
  public void add(String claim, Function<Backend, Outcome> experiment) {
    all.put(claim, experiment);
  }

  /** The claims that an experiment serves: its own, or those that share it. */
  public static Set<String> claims(String experiment) {
    return switch (experiment) {
      case TrainingExperiments.STEPS ->
          Set.of("T1", "T2", "T3", "T4", "T5", "T6", "M3", "C2", "C3", "C4", "C5");
      case TrainingKinds.ID -> Set.of("T2", "T3", "T5", "T7", "T8");
      default -> Set.of(experiment);
    };
  }

  /** By claim. */
  public SequencedMap<String, Function<Backend, Outcome>> all() {
    return Collections.unmodifiableSequencedMap(all);
  }

  /** Runs one experiment and dates it. */
  public Experiment run(String claim, Backend backend, Environment environment) {
    Function<Backend, Outcome> experiment = all.get(claim);
    if (experiment == null) {
      throw new IllegalArgumentException("no experiment for claim " + claim);
    }
    Outcome outcome = experiment.apply(backend);
    return new Experiment(
        ResultRow.SCHEMA,
        claim,
        Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
        environment,
        outcome.setting(),
        outcome.values(),
        outcome.points(),
        COMMAND);
  }
}
