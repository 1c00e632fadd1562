package assay.measure;

import assay.backend.Backend;
import assay.backend.CeilingProbe;
import assay.backend.Mark;
import assay.model.DType;
import assay.results.Pace;
import assay.tensor.Arena;
import assay.tensor.HostArena;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import assay.tensor.TensorPlan;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Probes how fast a host is between timed runs. Its memory is its own and not the back end's, so
 * that no reading of a model's bytes contains it; closed before such a reading it is gone from the
 * process as well.
 */
final class PaceMeter implements AutoCloseable {
  private static final int COLUMNS = 4096;

  /** A host whose cache is not known. */
  private static final long USUAL_CACHE_BYTES = 32L << 20;

  /** Of each kind the faster of two: a probe that was itself interrupted says nothing. */
  private static final int TRIES = 2;

  private final Backend device;
  private final CeilingProbe probe;
  private final Arena arena;
  private final Tensor memory;
  private final Tensor result;
  private final int cacheRows;
  private final Mark before;
  private final Mark after;
  private final List<Pace> taken = new ArrayList<>();

  /** Of a host that can be probed; null of any other device. */
  static @Nullable PaceMeter of(Backend device) {
    return device.sharesHostMemory() && device instanceof CeilingProbe p
        ? new PaceMeter(device, p, ProcFile.lastLevelCacheBytes().orElse(USUAL_CACHE_BYTES))
        : null;
  }

  private PaceMeter(Backend device, CeilingProbe probe, long cacheBytes) {
    this.device = device;
    this.probe = probe;
    // Four times the cache: less would partly be read from it the second time.
    int rows = Math.toIntExact(Math.max(8, 4 * cacheBytes / (4L * COLUMNS)));
    cacheRows = Math.max(1, rows / 8);
    TensorPlan plan = new TensorPlan();
    plan.allocate(DType.F32, rows, COLUMNS);
    plan.allocate(DType.F32, 1, 1);
    arena = new HostArena(MemoryCategory.WORKSPACE, plan.reservedBytes(), new AtomicLong());
    memory = arena.allocate(DType.F32, rows, COLUMNS);
    result = arena.allocate(DType.F32, 1, 1);
    touch();
    before = device.newMark();
    after = device.newMark();
  }

  /** Pages that were never written may all be the same one. */
  private void touch() {
    int rows = 64;
    try (var scratch = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment ones = scratch.allocate(4L * rows * COLUMNS, 64);
      for (long i = 0; i < (long) rows * COLUMNS; i++) {
        ones.setAtIndex(ValueLayout.JAVA_FLOAT, i, 1f);
      }
      for (int first = 0; first < memory.rows(); first += rows) {
        int count = Math.min(rows, memory.rows() - first);
        device.write(memory.rows(first, count), ones.asSlice(0, 4L * count * COLUMNS));
      }
    }
  }

  /** Probes now: a few milliseconds. What lay in the caches is then gone from there. */
  void probe() {
    double[] flops = new double[1];
    double arithmetic = best(() -> flops[0] = probe.arithmeticSweep(result));
    double copied = best(() -> probe.readSweep(memory, result));
    Tensor part = memory.rows(0, cacheRows);
    probe.readSweep(part, result); // into the cache
    double cached = best(() -> probe.readSweep(part, result));
    taken.add(
        new Pace(
            flops[0] / arithmetic, memory.bytes() / copied, Double.valueOf(part.bytes() / cached)));
  }

  private double best(Runnable operation) {
    double best = Double.MAX_VALUE;
    for (int i = 0; i < TRIES; i++) {
      before.record();
      operation.run();
      after.record();
      device.await();
      best = Math.min(best, after.secondsSince(before));
    }
    return best;
  }

  /** Everything since the last call. */
  List<Pace> take() {
    List<Pace> out = List.copyOf(taken);
    taken.clear();
    return out;
  }

  @Override
  public void close() {
    before.close();
    after.close();
    arena.close();
  }
}
