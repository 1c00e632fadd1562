package assay.estimate;

import assay.cost.SessionSize;
import assay.model.ModelConfig;
import assay.units.Bytes;

/**
 * Scratch memory of each kind of back end. A term of its own: everything else in a session's memory
 * follows from the model, this from how a back end computes. Where the back end is at hand, its own
 * figure is taken instead.
 */
public final class Scratch {
  private static final long LANES = 16;
  private static final long ROWS_AT_ONCE = 512;

  private Scratch() {}

  /**
   * Bytes of scratch for a session.
   *
   * @param workers threads of a CPU; no matter on a GPU
   */
  public static long bytes(DeviceKind kind, ModelConfig c, SessionSize size, int workers) {
    return switch (kind) {
      case REFERENCE -> 0;
      // NVIDIA recommends 32 MiB for cuBLAS on Hopper, 4 MiB elsewhere; ours sets the larger.
      case CUDA -> 32 * Bytes.MIB;
      case CPU -> cpu(c, size, workers);
    };
  }

  /**
   * The large terms of what the CPU back end keeps: packed rows of a product's input; per worker a
   * panel of 16 weight rows and K and V of one head in panels. Its own figure is larger by some
   * kilobytes that depend on its kernels.
   */
  private static long cpu(ModelConfig c, SessionSize size, int workers) {
    long columns = Math.max(Math.max(c.hiddenSize(), c.qDim()), c.intermediateSize());
    long rows = Math.min((long) size.batch() * size.passTokens(), ROWS_AT_ONCE);
    long slots = Math.ceilDiv(size.contextTokens(), LANES) * LANES;
    long packed = 4 * rows * columns;
    long panel = 4 * LANES * columns;
    long keysAndValues = 2 * 4 * slots * c.headDim();
    return packed + workers * (panel + keysAndValues);
  }
}
