package assay.backend.cpu;

import assay.backend.cpu.kernel.Kernels;
import assay.backend.cpu.kernel.PanelLayout;
import assay.backend.cpu.kernel.RawMemory;
import assay.model.DType;

/**
 * out = x · Wᵀ (+ out) for one row of x and packed weights: threads take runs of panels and stream
 * them. The last panel of a matrix whose rows are no multiple of 16 is first widened to a full one
 * in scratch memory.
 *
 * <p>Large matrices come at the rate that memory gives; long runs without a break matter most.
 * Rejected, all measured side by side on Zen 4: four times as many chunks, so that the threads end
 * closer together (5–15 % slower); prefetching 2, 4 or 8 KiB ahead to the L2 cache (the same to 13
 * % slower).
 */
final class VectorProduct implements Workers.Revocable {
  private static final int ROWS = PanelLayout.ROWS;

  /** Most outputs of a chunk: what {@link WorkerResults} hold. */
  private static final int MAX_PANELS = (int) (WorkerResults.BYTES / (4L * ROWS));

  /**
   * Weights that a thread takes at once: enough to hide what taking costs, little enough that all
   * finish together.
   */
  private static final long BYTES_PER_CHUNK = 96 * 1024;

  private static final int CHUNKS_PER_THREAD = 8;

  /** One product as addresses and numbers. */
  private static final class Job {
    DType type = DType.F32;
    long weight;
    long x;
    int outputs;
    int columns;
    long out;
    boolean accumulate;
    int panelsPerChunk;
    long scratch;
    long scratchBytes;

    void copy(Job j) {
      type = j.type;
      weight = j.weight;
      x = j.x;
      outputs = j.outputs;
      columns = j.columns;
      out = j.out;
      accumulate = j.accumulate;
      panelsPerChunk = j.panelsPerChunk;
      scratch = j.scratch;
      scratchBytes = j.scratchBytes;
    }

    long panelBytes() {
      return ROWS * type.rowBytes(columns);
    }

    int firstPanel(int chunk) {
      return chunk * panelsPerChunk;
    }

    int lastPanel(int chunk) {
      return Math.min(firstPanel(chunk) + panelsPerChunk, Math.ceilDiv(outputs, ROWS));
    }
  }

  private final Kernels kernels;
  private final Workers workers;
  private final WorkerResults results;
  private final Job now = new Job();
  private final Job[] seen;

  VectorProduct(Kernels kernels, Workers workers, WorkerResults results) {
    this.kernels = kernels;
    this.workers = workers;
    this.results = results;
    seen = new Job[workers.count()];
    for (int i = 0; i < seen.length; i++) {
      seen[i] = new Job();
    }
  }

  /** Uses so much scratch memory per worker, a full panel each, from now on. */
  void reserve(long scratch, long bytesPerWorker) {
    now.scratch = scratch;
    now.scratchBytes = bytesPerWorker;
  }

  /** The product with the packed matrix [outputs, columns]; {@code x} as the kernels want it. */
  void multiply(
      DType type, long weight, int outputs, int columns, long x, long out, boolean accumulate) {
    now.type = type;
    now.weight = weight;
    now.outputs = outputs;
    now.columns = columns;
    now.x = x;
    now.out = out;
    now.accumulate = accumulate;
    int panels = Math.ceilDiv(outputs, ROWS);
    int enough = Math.ceilDiv(panels, CHUNKS_PER_THREAD * workers.count());
    long least = Math.max(1, BYTES_PER_CHUNK / now.panelBytes());
    now.panelsPerChunk = (int) Math.min(MAX_PANELS, Math.max(least, enough));
    workers.run(this, Math.ceilDiv(panels, now.panelsPerChunk));
  }

  @Override
  public void look(int worker) {
    seen[worker].copy(now);
  }

  @Override
  public void compute(int chunk, int worker) {
    Job j = seen[worker];
    int first = j.firstPanel(chunk);
    int last = j.lastPanel(chunk);
    int full = Math.clamp(j.outputs / ROWS, first, last);
    long to = results.of(worker);
    long from = j.weight + first * j.panelBytes();
    if (full > first) {
      kernels.multiplyVector(j.type, full - first, from, j.x, to, j.columns, false);
    }
    if (full < last) {
      long panel = j.weight + full * j.panelBytes();
      long wide = j.scratch + worker * j.scratchBytes;
      int r = PanelLayout.rowsOf(full, j.outputs);
      PanelLayout.widen(j.type, panel, r, 0, j.columns, wide);
      long rest = to + 4L * ROWS * (full - first);
      kernels.multiplyVector(j.type, 1, wide, j.x, rest, j.columns, false);
    }
  }

  @Override
  public void commit(int chunk, int worker) {
    Job j = seen[worker];
    int first = ROWS * j.firstPanel(chunk);
    int count = Math.min(ROWS * j.lastPanel(chunk), j.outputs) - first;
    long from = results.of(worker);
    long to = j.out + 4L * first;
    if (j.accumulate) {
      kernels.rows().add(to, from, count);
    } else {
      RawMemory.copy(from, to, 4L * count);
    }
  }
}
