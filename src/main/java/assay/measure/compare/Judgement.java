package assay.measure.compare;

import java.util.Arrays;

/** Next-token distributions of a variant against the reference's, collected token by token. */
final class Judgement {
  private final double[] kl;
  private int n;
  private int agreed;
  private double negativeLogProbability;

  Judgement(int tokens) {
    kl = new double[tokens];
  }

  /** KL(p ‖ q) in nats, and who is on top. */
  record Pair(double kl, boolean sameTop, double logProbabilityOfNext) {}

  /** Compares two rows of logits in fp64. */
  static Pair compare(float[] reference, float[] variant, int at, int vocabulary, int next) {
    double logSumP = logSum(reference, 0, vocabulary);
    double logSumQ = logSum(variant, at, vocabulary);
    double kl = 0;
    int topP = 0;
    int topQ = 0;
    for (int i = 0; i < vocabulary; i++) {
      double logP = reference[i] - logSumP;
      double logQ = variant[at + i] - logSumQ;
      double p = Math.exp(logP);
      if (p > 0) {
        kl += p * (logP - logQ);
      }
      topP = reference[i] > reference[topP] ? i : topP;
      topQ = variant[at + i] > variant[at + topQ] ? i : topQ;
    }
    // Rounding may leave a tiny negative value where the distributions are equal.
    return new Pair(kl < 0 ? 0 : kl, topP == topQ, variant[at + next] - logSumQ);
  }

  private static double logSum(float[] x, int at, int n) {
    double max = Double.NEGATIVE_INFINITY;
    for (int i = 0; i < n; i++) {
      max = Math.max(max, x[at + i]);
    }
    double sum = 0;
    for (int i = 0; i < n; i++) {
      sum += Math.exp(x[at + i] - max);
    }
    return max + Math.log(sum);
  }

  void add(Pair pair) {
    kl[n++] = pair.kl();
    agreed += pair.sameTop() ? 1 : 0;
    negativeLogProbability -= pair.logProbabilityOfNext();
  }

  int tokens() {
    return n;
  }

  double klMean() {
    return Arrays.stream(kl, 0, n).sum() / n;
  }

  /** The smallest value that at least 99 % do not exceed. */
  double klP99() {
    double[] sorted = Arrays.copyOf(kl, n);
    Arrays.sort(sorted);
    return sorted[Math.ceilDiv(99 * n, 100) - 1];
  }

  double top1Agreement() {
    return (double) agreed / n;
  }

  double perplexity() {
    return Math.exp(negativeLogProbability / n);
  }
}
