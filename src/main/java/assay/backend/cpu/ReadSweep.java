package assay.backend.cpu;

import static assay.backend.cpu.kernel.RawMemory.ALL;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import assay.backend.cpu.kernel.RawMemory;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * The sum of a large array by all threads: what the memory gives when nothing but reading is done.
 * Eight accumulators, so that additions wait for loads and not for each other.
 */
final class ReadSweep implements Workers.Task {
  private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
  private static final int L = F.length();
  private static final int CHUNK_ELEMENTS = 1 << 18;

  private final Workers workers;
  private final double[] sums;
  private long address;
  private long elements;

  ReadSweep(Workers workers) {
    this.workers = workers;
    this.sums = new double[workers.count()];
  }

  /** Reads {@code elements} fp32 and returns their sum. */
  double run(long address, long elements) {
    this.address = address;
    this.elements = elements;
    java.util.Arrays.fill(sums, 0);
    workers.run(this, Math.toIntExact(Math.ceilDiv(elements, CHUNK_ELEMENTS)));
    double sum = 0;
    for (double s : sums) {
      sum += s;
    }
    return sum;
  }

  @Override
  public void run(int chunk, int worker) {
    long first = (long) chunk * CHUNK_ELEMENTS;
    int count = (int) Math.min(CHUNK_ELEMENTS, elements - first);
    sums[worker] += sum(address + 4 * first, count);
  }

  private static double sum(long at, int count) {
    FloatVector a = FloatVector.zero(F);
    FloatVector b = a;
    FloatVector c = a;
    FloatVector d = a;
    FloatVector e = a;
    FloatVector f = a;
    FloatVector g = a;
    FloatVector h = a;
    int i = 0;
    for (; i + 8 * L <= count; i += 8 * L) {
      long p = at + 4L * i;
      a = a.add(FloatVector.fromMemorySegment(F, ALL, p, LITTLE_ENDIAN));
      b = b.add(FloatVector.fromMemorySegment(F, ALL, p + 4L * L, LITTLE_ENDIAN));
      c = c.add(FloatVector.fromMemorySegment(F, ALL, p + 8L * L, LITTLE_ENDIAN));
      d = d.add(FloatVector.fromMemorySegment(F, ALL, p + 12L * L, LITTLE_ENDIAN));
      e = e.add(FloatVector.fromMemorySegment(F, ALL, p + 16L * L, LITTLE_ENDIAN));
      f = f.add(FloatVector.fromMemorySegment(F, ALL, p + 20L * L, LITTLE_ENDIAN));
      g = g.add(FloatVector.fromMemorySegment(F, ALL, p + 24L * L, LITTLE_ENDIAN));
      h = h.add(FloatVector.fromMemorySegment(F, ALL, p + 28L * L, LITTLE_ENDIAN));
    }
    double sum =
        a.add(b).add(c.add(d)).add(e.add(f).add(g.add(h))).reduceLanes(VectorOperators.ADD);
    for (; i < count; i++) {
      sum += RawMemory.getFloat(at + 4L * i);
    }
    return sum;
  }
}
