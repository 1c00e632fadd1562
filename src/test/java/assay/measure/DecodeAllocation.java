package assay.measure;

import assay.backend.Backend;
import assay.backend.cpu.CpuBackend;
import assay.engine.Session;
import assay.engine.SessionOptions;
import assay.model.Precision;
import java.lang.management.ManagementFactory;

/** Prints, for each precision of the CPU, the fewest bytes of heap that 50 decode steps took. */
public final class DecodeAllocation {
  private static final long PATIENCE_NS = 20_000_000_000L;

  private DecodeAllocation() {}

  /** No arguments. Exit code 1 if a step allocates. */
  public static void main(String[] args) {
    long worst = 0;
    for (Precision p : Precision.values()) {
      try (Backend device = new CpuBackend()) {
        if (device.supports(p)) {
          long bytes = fewestBytes(device, p);
          System.out.print(p.label() + " " + bytes + "\n");
          worst = Math.max(worst, bytes);
        }
      }
    }
    System.exit(worst == 0 ? 0 : 1);
  }

  /**
   * Through the decorators as in a measurement, until a round allocates nothing or patience ends.
   */
  private static long fewestBytes(Backend device, Precision p) {
    var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    try (ProfilingBackend profiling = new ProfilingBackend(device);
        Session s =
            Session.open(
                new CountingBackend(profiling),
                SmallModels.weights(SmallModels.llama()),
                SessionOptions.of(p, 2, 60))) {
      s.start(new int[][] {{1, 2, 3}, {4, 5, 6}});
      long least = Long.MAX_VALUE;
      long giveUp = System.nanoTime() + PATIENCE_NS;
      // The first rounds allocate for classes and before the compiler has removed short-lived
      // objects; from then on nothing does.
      while (least > 0 && System.nanoTime() < giveUp) {
        s.rewind();
        s.enqueuePrefill();
        long before = threads.getCurrentThreadAllocatedBytes();
        for (int i = 0; i < 50; i++) {
          s.enqueueRecordedDecode();
        }
        least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
      }
      return least;
    }
  }
}
