package assay.estimate.training;

import assay.model.UserError;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** What an optimiser keeps per trained parameter, beside a master copy, and computes. */
public enum Optimizer {
  /** Two moments (Kingma, Ba 2015). */
  ADAM("adam", 2, 12),
  /** The same with decoupled decay (Loshchilov, Hutter 2019). */
  ADAMW("adamw", 2, 14),
  SGD("sgd", 0, 2),
  /** One velocity. */
  SGD_MOMENTUM("sgd-momentum", 1, 4);

  private final String label;
  private final int states;
  private final int flopsPerParameter;

  Optimizer(String label, int states, int flopsPerParameter) {
    this.label = label;
    this.states = states;
    this.flopsPerParameter = flopsPerParameter;
  }

  /** The name on the command line. */
  public String label() {
    return label;
  }

  /** Numbers kept per parameter. */
  public int states() {
    return states;
  }

  /** Operations of one update of one parameter. */
  public int flopsPerParameter() {
    return flopsPerParameter;
  }

  /**
   * The optimiser of that name.
   *
   * @throws UserError for any other
   */
  public static Optimizer of(String label) {
    for (Optimizer o : values()) {
      if (o.label.equals(label.toLowerCase(Locale.ROOT))) {
        return o;
      }
    }
    throw new UserError(
        "unknown optimizer '%s': expected one of %s"
            .formatted(
                label,
                Arrays.stream(values()).map(Optimizer::label).collect(Collectors.joining(", "))));
  }
}
