package assay.backend.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Fused multiply-adds of fp32 by all threads, one factor of each read from the first-level cache,
 * as in the inner loop of a product. Twelve accumulators: more than latency × units of any
 * processor with vectors asks for, and few enough for its registers.
 */
final class ArithmeticSweep implements Workers.Task {
  private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
  private static final int L = F.length();
  private static final int ACCUMULATORS = 12;

  /** 12 vectors of 512 bits × 16 are 12 KiB: any first-level cache holds them. */
  private static final int STEPS = 16;

  private static final int ROUNDS = 400;

  /** Several pieces for each thread, so that one that comes late costs a fraction. */
  private static final int CHUNKS_PER_WORKER = 4;

  private final Workers workers;
  private final float[] factors = new float[ACCUMULATORS * STEPS * L];
  private final double[] sums;

  ArithmeticSweep(Workers workers) {
    this.workers = workers;
    this.sums = new double[workers.count()];
    // Products that neither overflow nor become denormal, which would cost more.
    java.util.Arrays.fill(factors, 1f / 1024);
  }

  /** Operations of one {@link #run}: a multiplication and an addition for each element. */
  double flops() {
    return 2.0 * factors.length * ROUNDS * chunks();
  }

  private int chunks() {
    return CHUNKS_PER_WORKER * workers.count();
  }

  /** Does them all; the sum depends on every one. */
  double run() {
    java.util.Arrays.fill(sums, 0);
    workers.run(this, chunks());
    double sum = 0;
    for (double s : sums) {
      sum += s;
    }
    return sum;
  }

  @Override
  public void run(int chunk, int worker) {
    sums[worker] += multiply(factors, FloatVector.broadcast(F, 1f / 64));
  }

  private static double multiply(float[] x, FloatVector y) {
    FloatVector a = FloatVector.zero(F);
    FloatVector b = a;
    FloatVector c = a;
    FloatVector d = a;
    FloatVector e = a;
    FloatVector f = a;
    FloatVector g = a;
    FloatVector h = a;
    FloatVector i = a;
    FloatVector j = a;
    FloatVector k = a;
    FloatVector l = a;
    for (int round = 0; round < ROUNDS; round++) {
      for (int at = 0; at < x.length; at += ACCUMULATORS * L) {
        a = FloatVector.fromArray(F, x, at).fma(y, a);
        b = FloatVector.fromArray(F, x, at + L).fma(y, b);
        c = FloatVector.fromArray(F, x, at + 2 * L).fma(y, c);
        d = FloatVector.fromArray(F, x, at + 3 * L).fma(y, d);
        e = FloatVector.fromArray(F, x, at + 4 * L).fma(y, e);
        f = FloatVector.fromArray(F, x, at + 5 * L).fma(y, f);
        g = FloatVector.fromArray(F, x, at + 6 * L).fma(y, g);
        h = FloatVector.fromArray(F, x, at + 7 * L).fma(y, h);
        i = FloatVector.fromArray(F, x, at + 8 * L).fma(y, i);
        j = FloatVector.fromArray(F, x, at + 9 * L).fma(y, j);
        k = FloatVector.fromArray(F, x, at + 10 * L).fma(y, k);
        l = FloatVector.fromArray(F, x, at + 11 * L).fma(y, l);
      }
    }
    FloatVector sum = a.add(b).add(c.add(d)).add(e.add(f).add(g.add(h)));
    return sum.add(i.add(j).add(k.add(l))).reduceLanes(jdk.incubator.vector.VectorOperators.ADD);
  }
}
