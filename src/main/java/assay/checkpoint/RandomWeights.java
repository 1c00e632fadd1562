package assay.checkpoint;

import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.RandomStream;
import assay.model.TensorSpec;
import assay.model.WeightSource;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * Weights of any shape from a seed: every element is a function of (seed, tensor, index) alone, so
 * the same bits come out in every run, in any order, on any number of threads and on every back
 * end. Only of models too large to be checked whole may a device make others ({@link
 * RandomStream#anyGenerator}).
 *
 * <p>Element i of a tensor hashes key + i·γ with SplitMix64's finaliser (Steele et al. 2014) and
 * adds the four 16-bit quarters of the result: a sum of four uniforms, normal to within the
 * accuracy that random weights need (Irwin–Hall of order 4, kurtosis −0.3), in integer arithmetic
 * that no device rounds differently. Matrices have standard deviation 1/√columns, so that
 * activations keep their size; norm gains are 1 ± 0.1, biases ± 0.1.
 */
public final class RandomWeights implements WeightSource {
  private static final long GAMMA = 0x9e3779b97f4a7c15L;

  private final ModelConfig config;
  private final long seed;
  private final boolean anyGenerator;

  /** Weights of this shape from this seed. */
  public RandomWeights(ModelConfig config, long seed) {
    this(config, seed, RandomStream.WHOLE_PARAMETERS);
  }

  /**
   * The same.
   *
   * @param wholeParameters with more a device may use a generator of its own
   */
  public RandomWeights(ModelConfig config, long seed, long wholeParameters) {
    this.config = config;
    this.seed = seed;
    this.anyGenerator = config.parameters() > wholeParameters;
  }

  /** SplitMix64's finaliser. */
  static long mix(long z) {
    z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
    return z ^ (z >>> 31);
  }

  /**
   * The key of a tensor's stream: device generators start from the same one. A role's name, not its
   * place in the enum, counts.
   */
  public static long key(long seed, TensorSpec spec) {
    return mix(seed * GAMMA + mix(spec.role().name().hashCode() * 1_000_003L + spec.layer() + 1));
  }

  /** Factor of the centred integer sum for a tensor. */
  public static float scale(TensorSpec spec) {
    double deviation = spec.role().isMatrix() ? 1 / Math.sqrt((double) spec.columns()) : 0.1;
    return (float) (deviation / RandomStream.SUM_DEVIATION);
  }

  /** What is added to every element: 1 for norm gains. */
  public static float offset(TensorSpec spec) {
    return switch (spec.role()) {
      case ATTENTION_NORM, MLP_NORM, FINAL_NORM, Q_NORM, K_NORM -> 1;
      default -> 0;
    };
  }

  @Override
  public ModelConfig config() {
    return config;
  }

  /** The seed. */
  public long seed() {
    return seed;
  }

  @Override
  public String kind() {
    return "random";
  }

  @Override
  public DType storedType(TensorSpec spec) {
    return DType.F32;
  }

  @Override
  public void read(TensorSpec spec, int firstRow, int rowCount, DType type, MemorySegment out) {
    int columns = Math.toIntExact(spec.columns());
    long key = key(seed, spec);
    float scale = scale(spec);
    float offset = offset(spec);
    float[] row = new float[columns];
    for (int r = 0; r < rowCount; r++) {
      long first = key + (long) (firstRow + r) * columns * GAMMA;
      for (int i = 0; i < columns; i++) {
        long h = mix(first + i * GAMMA);
        int sum =
            (int) (h & 0xffff)
                + (int) (h >>> 16 & 0xffff)
                + (int) (h >>> 32 & 0xffff)
                + (int) (h >>> 48)
                - 131_070;
        row[i] = sum * scale + offset;
      }
      BlockFormat.encodeRow(type, row, 0, columns, out, r * type.rowBytes(columns));
    }
  }

  @Override
  public Optional<RandomStream> randomStream(TensorSpec spec) {
    return Optional.of(new RandomStream(key(seed, spec), scale(spec), offset(spec), anyGenerator));
  }

  @Override
  public void close() {
    // Holds nothing.
  }
}
