package assay.estimate.training;

import assay.estimate.Parallelism;
import java.util.ArrayList;
import java.util.List;

/**
 * Bytes that one device sends to others in one step.
 *
 * @param name what is exchanged
 * @param bytes sent by one device, rings presumed: an all-reduce of X over n sends 2·X·(n−1)/n, a
 *     reduce-scatter or all-gather half of that
 * @param why in words
 */
public record Traffic(String name, long bytes, String why) {

  /** Everything that a step exchanges; frozen weights stay where every replica has them. */
  static List<Traffic> of(
      TrainingRequest r,
      long weightBytes,
      long trainedWeightBytes,
      long gradientBytes,
      int layers) {
    List<Traffic> out = new ArrayList<>();
    Parallelism p = r.parallelism();
    if (p.data() > 1) {
      data(out, r, weightBytes, trainedWeightBytes, gradientBytes);
    }
    long element = r.types().activations().bytes(1, 1);
    long activations = Math.multiplyExact(r.rows() * r.config().hiddenSize(), element);
    if (p.tensor() > 1) {
      int perLayer = r.recomputation() == Recomputation.FULL ? 6 : 4;
      long reduced = ring(2, activations, p.tensor());
      out.add(
          new Traffic(
              "tensor all-reduces",
              Math.multiplyExact(reduced, (long) perLayer * layers * r.accumulation()),
              perLayer + " a layer and micro-batch: after o and down, forward and backward"));
    }
    if (p.pipeline() > 1) {
      out.add(
          new Traffic(
              "pipeline boundaries",
              Math.multiplyExact(2L * r.accumulation(), activations),
              "a block's output forward, its gradient backward, each micro-batch"));
    }
    return List.copyOf(out);
  }

  private static void data(
      List<Traffic> out, TrainingRequest r, long weights, long trained, long gradients) {
    int n = r.parallelism().data();
    switch (r.parallelism().zeroStage()) {
      case 0 -> out.add(new Traffic("gradient all-reduce", ring(2, gradients, n), "once a step"));
      case 1, 2 -> {
        int times = r.parallelism().zeroStage() == 2 ? r.accumulation() : 1;
        out.add(
            new Traffic(
                "gradient reduce-scatter",
                Math.multiplyExact(ring(1, gradients, n), (long) times),
                times > 1 ? "each micro-batch" : "once a step"));
        out.add(new Traffic("weight all-gather", ring(1, trained, n), "after the update"));
      }
      default -> {
        out.add(
            new Traffic(
                "weight all-gather",
                Math.multiplyExact(ring(1, weights, n), 2L * r.accumulation()),
                "forward and backward, each micro-batch"));
        out.add(
            new Traffic(
                "gradient reduce-scatter",
                Math.multiplyExact(ring(1, gradients, n), (long) r.accumulation()),
                "each micro-batch"));
      }
    }
  }

  private static long ring(int factor, long bytes, int devices) {
    return Math.round((double) factor * bytes * (devices - 1) / devices);
  }
}
