package assay.estimate;

import assay.cost.SessionSize;
import assay.model.ModelConfig;

/**
 * Scratch memory of each kind of back end. A term of its own: everything else in a session's memory
 * follows from the model, this from how a back end computes. Where the back end is at hand, its own
 * figure is taken instead.
 */
public final class Scratch {
  private static final long LANES = 16;
  private static final long ROWS_AT_ONCE = 512;
  private static final long FLOAT_BLOCK = 512;
  private static final long FLOAT_ROW_BYTES = 4 * FLOAT_BLOCK + 64;
  private static final long WIDENED_PANELS = 8;
  private static final long KEY_BLOCK = 128;
  private static final long STATE_BYTES = 8;
  private static final long QUERY_TILE = 24;
  private static final long MANY_TOKENS = 8;
  private static final long LINE = 256;

  private Scratch() {}

  /**
   * Bytes of scratch for a session.
   *
   * @param workers threads of a CPU; no matter on a GPU
   */
  public static long bytes(DeviceKind kind, ModelConfig c, SessionSize size, int workers) {
    return switch (kind) {
      case REFERENCE -> 0;
      case CUDA -> CudaScratch.bytes(c, size);
      case CPU -> cpu(c, size, workers);
    };
  }

  /**
   * What the CPU back end keeps with its AVX-512 kernels. Of a product's input: rows packed in
   * blocks of 512 columns, each with one cache line of padding. Per worker: 512 columns of 8 panels
   * of 16 weight rows widened to fp32; a whole panel and its results; for attention K and V of one
   * head in panels of 16 slots, a tile of queries, scores and sums; for few queries a block of 128
   * keys instead. Other kernels pack other blocks: there the back end's own figure differs by some
   * percent.
   */
  private static long cpu(ModelConfig c, SessionSize size, int workers) {
    long columns = Math.max(Math.max(c.hiddenSize(), c.qDim()), c.intermediateSize());
    long all = Math.max((long) size.batch() * size.passTokens(), size.batch());
    long rows = Math.min(all, ROWS_AT_ONCE);
    long packed = align(Math.ceilDiv(columns, FLOAT_BLOCK) * rows * FLOAT_ROW_BYTES);
    long widened = WIDENED_PANELS * 4 * LANES * FLOAT_BLOCK;
    long panel = align(4 * LANES * columns) + 64 * ROWS_AT_ONCE;
    return packed + workers * (widened + panel + attention(c, size));
  }

  private static long attention(ModelConfig c, SessionSize size) {
    long d = c.headDim();
    long group = c.nHeads() / c.nKvHeads();
    long few = 4 * KEY_BLOCK * d + group * (4 * KEY_BLOCK + STATE_BYTES) + LINE;
    long slots = padded(size.contextTokens());
    long many =
        4 * d * slots
            + 4 * padded(d) * slots
            + QUERY_TILE * (2 * FLOAT_ROW_BYTES + 4 * padded(d) + STATE_BYTES)
            + 4 * LANES * d
            + LINE;
    return align(Math.max(few, size.passTokens() >= MANY_TOKENS ? many : 0));
  }

  private static long padded(long n) {
    return Math.ceilDiv(n, LANES) * LANES;
  }

  private static long align(long bytes) {
    return Math.ceilDiv(bytes, LINE) * LINE;
  }
}
