package assay.estimate;

import assay.cost.SessionSize;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.units.Bytes;

/**
 * Scratch of the CUDA back end, term by term, each rounded up to 256 bytes; the same on every card.
 * A test holds it against what the back end really reserves.
 */
final class CudaScratch {
  /** NVIDIA recommends 32 MiB for cuBLAS on Hopper and 4 MiB elsewhere; ours sets the larger. */
  private static final long CUBLAS_BYTES = 32 * Bytes.MIB;

  /** At most so much of a matrix in 16 bits on its way into a product. */
  private static final long PANEL_BYTES = 64 * Bytes.MIB;

  /** Splits of the keys are planned for a card of so many multiprocessors. */
  private static final long MULTIPROCESSORS = 192;

  private static final long LEAST_KEYS = 32;
  private static final long MOST_SPLITS = 64;
  private static final long LOGITS_PER_PART = 4096;
  private static final long MOST_PARTS = 64;
  private static final long FEW_ROWS = 8;
  private static final long LINE = 256;

  private CudaScratch() {}

  static long bytes(ModelConfig c, SessionSize s) {
    long greedy = 8L * s.batch() * Math.clamp(up(c.vocabSize(), LOGITS_PER_PART), 1, MOST_PARTS);
    return CUBLAS_BYTES + align(attention(c, s)) + align(greedy) + align(panel(c, s));
  }

  /** A maximum, a sum and headDim values in fp32 per sequence, head and split of the keys. */
  private static long attention(ModelConfig c, SessionSize s) {
    long group = c.nHeads() / c.nKvHeads();
    long together = group == 1 ? 1 : group <= 4 ? 4 : 8;
    long blocks = (long) s.batch() * c.nKvHeads() * up(group, together);
    long wanted = up(2 * MULTIPROCESSORS, blocks);
    long most = Math.min(MOST_SPLITS, up(s.contextTokens(), LEAST_KEYS));
    return 4L * s.batch() * c.nHeads() * Math.clamp(wanted, 1, most) * (c.headDim() + 2);
  }

  /** Weights in 8 or 4 bits are expanded for products of many rows. */
  private static long panel(ModelConfig c, SessionSize s) {
    Precision p = s.types().precision();
    DType type = p.weightType();
    long rows = Math.max((long) s.batch() * s.passTokens(), s.logitRows());
    if (!(type.isBlocked() || type == DType.F8E4M3) || rows <= FEW_ROWS) {
      return 0;
    }
    long h = c.hiddenSize();
    long together =
        Math.max(c.qDim() + 2L * c.kvDim(), (c.gatedMlp() ? 2L : 1L) * c.intermediateSize());
    long weights = Math.min(PANEL_BYTES, 2 * h * Math.max(together, c.vocabSize()));
    if (p != Precision.FP8) {
      return weights;
    }
    // Activations in e4m3 and a factor in fp32 for each row.
    long widest = Math.max(h, Math.max(c.intermediateSize(), c.qDim()));
    return Math.max(weights, align(rows * widest) + align(4 * rows));
  }

  private static long up(long n, long unit) {
    return Math.ceilDiv(n, unit);
  }

  private static long align(long bytes) {
    return up(bytes, LINE) * LINE;
  }
}
