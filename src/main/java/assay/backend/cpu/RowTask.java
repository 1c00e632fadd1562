package assay.backend.cpu;

/**
 * An operation that treats each row of a pass by itself: the rows are shared among the threads
 * where there is enough to do. Reused, so that nothing is allocated.
 */
abstract class RowTask implements Workers.Task {
  /** Fewer elements than this are not worth another thread's attention. */
  private static final int MIN_ELEMENTS = 1 << 14;

  private static final int CHUNKS_PER_THREAD = 8;

  private final Workers workers;
  private int rows;
  private int rowsPerChunk;

  RowTask(Workers workers) {
    this.workers = workers;
  }

  /** Runs all rows, {@code elements} wide each. */
  final void each(int rows, int elements) {
    if (rows == 0) {
      return;
    }
    this.rows = rows;
    boolean small = (long) rows * elements < MIN_ELEMENTS;
    int chunks = small ? 1 : Math.min(rows, CHUNKS_PER_THREAD * workers.count());
    rowsPerChunk = Math.ceilDiv(rows, chunks);
    workers.run(this, Math.ceilDiv(rows, rowsPerChunk));
  }

  /** Rows of the pass at hand. */
  final int rows() {
    return rows;
  }

  @Override
  public final void run(int chunk, int worker) {
    int end = Math.min(rows, (chunk + 1) * rowsPerChunk);
    for (int r = chunk * rowsPerChunk; r < end; r++) {
      row(r, worker);
    }
  }

  /** One row. */
  abstract void row(int r, int worker);
}
