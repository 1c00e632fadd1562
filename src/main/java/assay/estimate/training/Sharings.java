package assay.estimate.training;

import assay.estimate.Constants;
import assay.estimate.Device;
import assay.estimate.Parallelism;
import assay.model.UserError;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/** The ways in which the same devices can share a training, side by side. */
public final class Sharings {
  private Sharings() {}

  /**
   * The request as it is, then each plain way alone: replicas with ZeRO 0 to 3, tensor, pipeline.
   * Micro-batch and accumulation stay, so tokens per step differ. Ways into which heads or layers
   * do not divide are left out; nothing for one device.
   */
  public static List<TrainingEstimate> of(
      TrainingRequest r, Device device, Constants constants, Utilization utilization) {
    int n = r.parallelism().devices();
    if (n == 1) {
      return List.of();
    }
    Set<Parallelism> ways = new LinkedHashSet<>();
    ways.add(r.parallelism());
    for (int stage = 0; stage <= 3; stage++) {
      ways.add(new Parallelism(n, stage, 1, 1));
    }
    ways.add(new Parallelism(1, 0, n, 1));
    ways.add(new Parallelism(1, 0, 1, n));
    List<TrainingEstimate> out = new ArrayList<>();
    for (Parallelism p : ways) {
      if (divides(p, r)) {
        out.add(TrainingEstimator.estimate(r.with(p), device, constants, utilization));
      }
    }
    return List.copyOf(out);
  }

  private static boolean divides(Parallelism p, TrainingRequest r) {
    try {
      p.share(r.config());
      return true;
    } catch (UserError e) {
      return false;
    }
  }
}
